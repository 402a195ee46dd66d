#include <napi.h>

#include "host_binding/drop_reasons_binding.h"

namespace {

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  registerDropReasons(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(quicproxy_host, initialize)
