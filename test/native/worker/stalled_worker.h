#pragma once

#include <dirent.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace quicproxy {

/// A thread of this process that stands still, as one does whose host gives it no CPU, until this ends: another process
/// holds it (ptrace(2)). Threads of the data plane take no signals.
class StalledThread {
 public:
  explicit StalledThread(const std::string& name) {
    const pid_t thread = threadOf(name);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    if (pipe(stands_) != 0 || pipe(release_) != 0) return;
    holder_ = fork();
    if (holder_ == 0) hold(thread);
    close(stands_[1]);
    close(release_[0]);
    char told = 0;
    standing_ = holder_ > 0 && read(stands_[0], &told, 1) == 1;
  }
  ~StalledThread() {
    release();
    close(stands_[0]);
    if (holder_ > 0) waitpid(holder_, nullptr, 0);
  }
  StalledThread(const StalledThread&) = delete;
  StalledThread& operator=(const StalledThread&) = delete;

  [[nodiscard]] bool stands() const { return standing_; }
  /// The thread goes on with the end of who holds it.
  void release() {
    if (release_[1] >= 0) close(release_[1]);
    release_[1] = -1;
  }

 private:
  /// In the child, where nothing but system calls is safe.
  [[noreturn]] void hold(pid_t thread) const {
    close(release_[1]);
    const bool held = ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) == 0 &&
                      ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) == 0 &&
                      waitpid(thread, nullptr, __WALL) == thread;
    char octet = 1;
    if (held && write(stands_[1], &octet, 1) == 1) static_cast<void>(read(release_[0], &octet, 1) == 0);
    _exit(0);
  }
  static pid_t threadOf(const std::string& name) {
    pid_t found = -1;
    DIR* directory = opendir("/proc/self/task");
    while (const dirent* entry = readdir(directory)) {
      std::string line;
      std::ifstream file(std::string("/proc/self/task/") + entry->d_name + "/comm");
      if (std::getline(file, line) && line == name) found = std::atoi(entry->d_name);
    }
    closedir(directory);
    return found;
  }

  int stands_[2] = {-1, -1};
  int release_[2] = {-1, -1};
  pid_t holder_ = -1;
  bool standing_ = false;
};

}  // namespace quicproxy
