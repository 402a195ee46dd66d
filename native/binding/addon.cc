#include <napi.h>

#include <cstring>
#include <memory>

#include "io/failure.h"
#include "worker/data_plane.h"

namespace {

using quicproxy::DataPlane;
using quicproxy::DataPlaneStatus;
using quicproxy::Failure;

Napi::Error errorOf(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.detail);
  error.Set("code", quicproxy::failureName(failure.code));
  if (failure.endpoint >= 0) error.Set("endpoint", Napi::Number::New(env, failure.endpoint));
  if (failure.systemError != 0) error.Set("errno", strerrorname_np(failure.systemError));
  return error;
}

Napi::Object endpointOf(Napi::Env env, const quicproxy::EndpointStatus& endpoint) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("index", endpoint.index);
  object.Set("address", endpoint.address);
  object.Set("port", endpoint.port);
  object.Set("family", endpoint.family);
  if (!endpoint.skipped.empty()) object.Set("skipped", endpoint.skipped);
  object.Set("receiveBufferAsked", endpoint.receiveBufferAsked);
  object.Set("receiveBufferEffective", endpoint.receiveBufferEffective);
  object.Set("sendBufferEffective", endpoint.sendBufferEffective);
  object.Set("kernelDrops", static_cast<double>(endpoint.kernelDrops));
  return object;
}

Napi::Object backendOf(Napi::Env env, const quicproxy::BackendStatus& backend) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("slot", backend.slot);
  object.Set("address", backend.address);
  object.Set("port", backend.port);
  object.Set("weight", backend.weight);
  object.Set("active", Napi::Boolean::New(env, backend.active));
  return object;
}

/// The class that JavaScript sees; shape in proxy/apply/addon.ts.
class DataPlaneObject : public Napi::ObjectWrap<DataPlaneObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "DataPlane",
        {InstanceMethod<&DataPlaneObject::apply>("apply"), InstanceMethod<&DataPlaneObject::status>("status"),
         InstanceMethod<&DataPlaneObject::counters>("counters"), InstanceMethod<&DataPlaneObject::stop>("stop")});
  }

  explicit DataPlaneObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DataPlaneObject>(info) {
    const auto contract = contractArgument(info);
    if (!contract) return;
    auto started = DataPlane::start(*contract);
    if (auto* failure = std::get_if<Failure>(&started)) {
      errorOf(info.Env(), *failure).ThrowAsJavaScriptException();
      return;
    }
    plane_ = std::get<std::unique_ptr<DataPlane>>(std::move(started));
    // Workers must not outlive the environment, also when nobody called stop().
    napi_add_env_cleanup_hook(info.Env(), stopAtExit, this);
  }

  ~DataPlaneObject() override {
    if (plane_) napi_remove_env_cleanup_hook(Env(), stopAtExit, this);
  }

 private:
  static void stopAtExit(void* self) { static_cast<DataPlaneObject*>(self)->plane_.reset(); }

  static std::optional<std::span<const uint8_t>> contractArgument(const Napi::CallbackInfo& info) {
    if (info.Length() == 1 && info[0].IsTypedArray()) {
      const auto array = info[0].As<Napi::TypedArray>();
      if (array.TypedArrayType() == napi_uint8_array) {
        const auto bytes = array.As<Napi::Uint8Array>();
        return std::span<const uint8_t>(bytes.Data(), bytes.ByteLength());
      }
    }
    Napi::TypeError::New(info.Env(), "the contract must be one Uint8Array").ThrowAsJavaScriptException();
    return std::nullopt;
  }

  void apply(const Napi::CallbackInfo& info) {
    const auto contract = contractArgument(info);
    if (!contract) return;
    if (auto failure = plane_->apply(*contract)) errorOf(info.Env(), *failure).ThrowAsJavaScriptException();
  }

  Napi::Value status(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const DataPlaneStatus status = plane_->status();
    Napi::Object object = Napi::Object::New(env);
    object.Set("generation", static_cast<double>(status.generation));
    object.Set("workers", status.workers);
    object.Set("batch", status.batch);
    object.Set("upstreamLevel", "ConnectedSocketPool");
    object.Set("steering", "KernelHash");
    object.Set("flowCapacity", status.flowCapacity);
    object.Set("upstreamSocketMax", status.upstreamSocketMax);
    object.Set("flowMemoryBytes", static_cast<double>(status.flowMemoryBytes));
    Napi::Array endpoints = Napi::Array::New(env, status.endpoints.size());
    for (uint32_t i = 0; i < status.endpoints.size(); i++) endpoints[i] = endpointOf(env, status.endpoints[i]);
    object.Set("endpoints", endpoints);
    Napi::Array backends = Napi::Array::New(env, status.backends.size());
    for (uint32_t i = 0; i < status.backends.size(); i++) backends[i] = backendOf(env, status.backends[i]);
    object.Set("backends", backends);
    return object;
  }

  Napi::Value counters(const Napi::CallbackInfo& info) {
    // The buffer keeps the region alive, also beyond this object.
    auto* owner = new std::shared_ptr<quicproxy::CounterRegion>(plane_->counters());
    return Napi::ArrayBuffer::New(
        info.Env(), (*owner)->data(), (*owner)->size(),
        [](Napi::Env, void*, std::shared_ptr<quicproxy::CounterRegion>* held) { delete held; }, owner);
  }

  void stop(const Napi::CallbackInfo&) { plane_->stop(); }

  std::unique_ptr<DataPlane> plane_;
};

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("DataPlane", DataPlaneObject::define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(quicproxy, initialize)
