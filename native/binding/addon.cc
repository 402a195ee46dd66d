#include <napi.h>

#include <cstring>
#include <memory>

#include "io/failure.h"
#include "snapshot/explain.h"
#include "worker/data_plane.h"

namespace {

using quicproxy::DataPlane;
using quicproxy::DataPlaneStatus;
using quicproxy::Failure;

std::optional<std::span<const uint8_t>> octetsOf(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) return std::nullopt;
  const auto bytes = value.As<Napi::Uint8Array>();
  return std::span<const uint8_t>(bytes.Data(), bytes.ByteLength());
}

Napi::Error errorOf(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.detail);
  error.Set("code", quicproxy::failureName(failure.code));
  if (failure.endpoint >= 0) error.Set("endpoint", Napi::Number::New(env, failure.endpoint));
  if (failure.systemError != 0) error.Set("errno", strerrorname_np(failure.systemError));
  return error;
}

Napi::Object socketOf(Napi::Env env, const quicproxy::SocketStatus& socket) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("worker", socket.worker);
  object.Set("receiveBuffer", socket.receiveBufferBytes);
  object.Set("queued", socket.queuedBytes);
  object.Set("kernelDrops", socket.kernelDrops);
  return object;
}

Napi::Object clockOf(Napi::Env env, const quicproxy::ClockUse& clock) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("readNs", clock.readNs);
  object.Set("timedOneIn", clock.oneIn);
  object.Set("coarse", Napi::Boolean::New(env, clock.coarse));
  return object;
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
  Napi::Array sockets = Napi::Array::New(env, endpoint.sockets.size());
  for (uint32_t i = 0; i < endpoint.sockets.size(); i++) sockets[i] = socketOf(env, endpoint.sockets[i]);
  object.Set("sockets", sockets);
  return object;
}

Napi::Object backendOf(Napi::Env env, const quicproxy::BackendStatus& backend) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("slot", backend.slot);
  object.Set("address", backend.address);
  object.Set("port", backend.port);
  object.Set("weight", backend.weight);
  object.Set("active", Napi::Boolean::New(env, backend.active));
  Napi::Array sources = Napi::Array::New(env, backend.sources.size());
  for (uint32_t i = 0; i < backend.sources.size(); i++) sources[i] = Napi::String::New(env, backend.sources[i]);
  object.Set("sources", sources);
  return object;
}

const char* nameOf(quicproxy::WorkerSet::SocketBound bound) {
  constexpr const char* kNames[] = {"Asked", "OpenFiles", "EphemeralPorts"};
  return kNames[static_cast<size_t>(bound)];
}

/// The class that JavaScript sees; shape in proxy/apply/addon.ts.
class DataPlaneObject : public Napi::ObjectWrap<DataPlaneObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "DataPlane",
        {InstanceMethod<&DataPlaneObject::apply>("apply"), InstanceMethod<&DataPlaneObject::status>("status"),
         InstanceMethod<&DataPlaneObject::counters>("counters"), InstanceMethod<&DataPlaneObject::samples>("samples"),
         InstanceMethod<&DataPlaneObject::networkChanges>("networkChanges"),
         InstanceMethod<&DataPlaneObject::stop>("stop")});
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
    if (const auto contract = octetsOf(info[0])) return contract;
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
    plane_->tend();
    const DataPlaneStatus status = plane_->status();
    Napi::Object object = Napi::Object::New(env);
    object.Set("generation", static_cast<double>(status.generation));
    object.Set("workers", status.workers);
    object.Set("leavingWorkers", status.leavingWorkers);
    object.Set("batch", status.batch);
    object.Set("upstreamLevel", status.upstreamLevel);
    if (!status.upstreamReason.empty()) object.Set("upstreamReason", status.upstreamReason);
    if (status.upstreamPortFirst != 0) {
      object.Set("upstreamPortFirst", status.upstreamPortFirst);
      object.Set("upstreamPortLast", status.upstreamPortLast);
    }
    object.Set("upstreamReceiveBufferAsked", status.upstreamReceiveBufferAsked);
    object.Set("upstreamReceiveBufferEffective", status.upstreamReceiveBufferEffective);
    object.Set("kernelDropsOfClosed", static_cast<double>(status.kernelDropsOfClosed));
    object.Set("steering", status.steering);
    if (!status.steeringReason.empty()) object.Set("steeringReason", status.steeringReason);
    object.Set("flowCapacity", status.flowCapacity);
    object.Set("upstreamSocketMax", status.upstreamSocketMax);
    object.Set("upstreamSocketBound", nameOf(status.upstreamSocketBound));
    object.Set("networkEvents", Napi::Boolean::New(env, status.networkEvents));
    object.Set("clock", clockOf(env, status.clock));
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

  /// Raw samples, 56 octets each as native/abi/sample.h lays them out; at most 1,024 a call.
  Napi::Value samples(const Napi::CallbackInfo& info) {
    const std::vector<quicproxy::Sample> taken = plane_->takeSamples(1024);
    const size_t bytes = taken.size() * sizeof(quicproxy::Sample);
    Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(info.Env(), bytes);
    if (bytes > 0) std::memcpy(buffer.Data(), taken.data(), bytes);
    return buffer;
  }

  Napi::Value networkChanges(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), plane_->networkChanges());
  }

  void stop(const Napi::CallbackInfo&) { plane_->stop(); }

  std::unique_ptr<DataPlane> plane_;
};

Napi::Value hexOf(Napi::Env env, std::span<const uint8_t> octets) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t octet : octets) {
    text += kDigits[octet >> 4];
    text += kDigits[octet & 15];
  }
  return Napi::String::New(env, text);
}

const char* nameOf(quicproxy::HeaderForm form) {
  constexpr const char* kNames[] = {"long", "short", "malformed", "empty"};
  return kNames[static_cast<size_t>(form)];
}

const char* nameOf(quicproxy::Rule rule) {
  constexpr const char* kNames[] = {"quic_lb", "four_tuple_scid", "dcid", "four_tuple", "fallback", "none"};
  return kNames[static_cast<size_t>(rule)];
}

const char* nameOf(quicproxy::QuicLbRouting::Outcome outcome) {
  constexpr const char* kNames[] = {"off", "no_config", "too_short", "unknown_server", "routed"};
  return kNames[static_cast<size_t>(outcome)];
}

/// explain(contract, tuple, datagram): tuple is a udp_path as its 36 octets.
Napi::Value explain(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto contract = octetsOf(info[0]);
  const auto tupleOctets = octetsOf(info[1]);
  const auto datagram = octetsOf(info[2]);
  if (!contract || !tupleOctets || !datagram || tupleOctets->size() != sizeof(quicproxy::FourTuple)) {
    Napi::TypeError::New(env, "explain takes a contract, a 4-tuple of 36 octets and a datagram, as Uint8Arrays")
        .ThrowAsJavaScriptException();
    return env.Undefined();
  }
  quicproxy::FourTuple tuple;
  std::memcpy(&tuple, tupleOctets->data(), sizeof tuple);
  const auto explained = quicproxy::explain(*contract, tuple, *datagram);
  if (const auto* failure = std::get_if<Failure>(&explained)) {
    errorOf(env, *failure).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const auto& result = std::get<quicproxy::Explanation>(explained);
  Napi::Object object = Napi::Object::New(env);
  object.Set("form", nameOf(result.packet.form));
  object.Set("version", result.packet.version);
  object.Set("dcid", hexOf(env, result.packet.dcid));
  object.Set("scid", hexOf(env, result.packet.scid));
  object.Set("rule", nameOf(result.decision.rule));
  object.Set("quicLb", nameOf(result.decision.quicLb));
  if (result.rotation) object.Set("rotation", *result.rotation);
  if (result.serverId) {
    object.Set("serverId", hexOf(env, {result.serverId->octets.data(), result.serverId->length}));
  }
  object.Set("backend", result.backend);
  object.Set("backendWithoutIt", result.backendWithoutIt);
  return object;
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("DataPlane", DataPlaneObject::define(env));
  exports.Set("explain", Napi::Function::New(env, explain, "explain"));
  return exports;
}

}  // namespace

NODE_API_MODULE(quicproxy, initialize)
