#include <napi.h>

#include <cstring>
#include <string>

#include "host/ethtool_call.h"
#include "host/netlink_exchange.h"
#include "host/network_namespace.h"
#include "host_binding/drop_reasons_binding.h"

/*
 * What JavaScript cannot ask of the kernel by itself. Shapes, and what the octets mean, in host/reading/live/addon.ts.
 */

namespace {

using quicproxy::host::Refusal;

std::optional<std::span<const uint8_t>> octetsOf(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) return std::nullopt;
  const auto bytes = value.As<Napi::Uint8Array>();
  return std::span<const uint8_t>(bytes.Data(), bytes.ByteLength());
}

/// As those of Node.js: `code` is the name of the system error, `syscall` the call.
Napi::Value refuse(Napi::Env env, const Refusal& refusal) {
  const char* name = strerrorname_np(refusal.systemError);
  const std::string code = name != nullptr ? name : std::to_string(refusal.systemError);
  Napi::Error error = Napi::Error::New(env, std::string(refusal.call) + ": " + code);
  error.Set("code", code);
  error.Set("syscall", refusal.call);
  error.ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value refuseArguments(Napi::Env env, const char* what) {
  Napi::TypeError::New(env, what).ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value answerOf(Napi::Env env, const std::variant<std::vector<uint8_t>, Refusal>& result) {
  if (const auto* refusal = std::get_if<Refusal>(&result)) return refuse(env, *refusal);
  const auto& octets = std::get<std::vector<uint8_t>>(result);
  Napi::Uint8Array answer = Napi::Uint8Array::New(env, octets.size());
  if (!octets.empty()) std::memcpy(answer.Data(), octets.data(), octets.size());
  return answer;
}

/// netlink(protocol, request, deadlineMs, maximumBytes)
Napi::Value netlink(const Napi::CallbackInfo& info) {
  const auto request = octetsOf(info[1]);
  if (!info[0].IsNumber() || !request || !info[2].IsNumber() || !info[3].IsNumber()) {
    return refuseArguments(info.Env(), "netlink takes a protocol, a request, milliseconds and octets");
  }
  const quicproxy::host::NetlinkLimits limits{.deadlineMs = info[2].As<Napi::Number>().Int32Value(),
                                              .maximumBytes = info[3].As<Napi::Number>().Uint32Value()};
  return answerOf(info.Env(),
                  quicproxy::host::exchangeNetlink(info[0].As<Napi::Number>().Int32Value(), *request, limits));
}

/// ethtool(interfaceName, request, answerBytes)
Napi::Value ethtool(const Napi::CallbackInfo& info) {
  const auto request = octetsOf(info[1]);
  if (!info[0].IsString() || !request || !info[2].IsNumber()) {
    return refuseArguments(info.Env(), "ethtool takes the name of an interface, a request and octets");
  }
  const std::string name = info[0].As<Napi::String>().Utf8Value();
  return answerOf(info.Env(), quicproxy::host::callEthtool(name, *request, info[2].As<Napi::Number>().Uint32Value()));
}

/// enterNetworkNamespace(fileDescriptor)
Napi::Value enterNetworkNamespace(const Napi::CallbackInfo& info) {
  if (!info[0].IsNumber()) return refuseArguments(info.Env(), "enterNetworkNamespace takes a file descriptor");
  const auto refusal = quicproxy::host::enterNetworkNamespace(info[0].As<Napi::Number>().Int32Value());
  return refusal ? refuse(info.Env(), *refusal) : info.Env().Undefined();
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("netlink", Napi::Function::New(env, netlink, "netlink"));
  exports.Set("ethtool", Napi::Function::New(env, ethtool, "ethtool"));
  exports.Set("enterNetworkNamespace", Napi::Function::New(env, enterNetworkNamespace, "enterNetworkNamespace"));
  registerDropReasons(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(quicproxy_host, initialize)
