#include "io/thread.h"

#include <csignal>
#include <string>

namespace quicproxy {

std::optional<Failure> Thread::start(const char* name, const Body& body) {
  body_ = body;
  sigset_t all;
  sigset_t previous;
  static_cast<void>(sigfillset(&all));
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  pthread_t thread{};
  const int error = pthread_create(
      &thread, nullptr,
      [](void* self) -> void* {
        const Body& started = static_cast<Thread*>(self)->body_;
        started.run(started.self);
        return nullptr;
      },
      this);
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  if (error != 0) {
    return Failure{FailureCode::kThreadFailed, std::string("cannot start the thread ") + name, error};
  }
  thread_ = thread;
  pthread_setname_np(thread, name);
  return std::nullopt;
}

void Thread::join() {
  if (!thread_) return;
  pthread_join(*thread_, nullptr);
  thread_.reset();
}

}  // namespace quicproxy
