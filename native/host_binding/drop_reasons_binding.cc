#include "host_binding/drop_reasons_binding.h"

#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "drop_reasons/drop_reasons.h"

namespace {

using quicproxy::DropEntry;
using quicproxy::DropReasons;
using quicproxy::DropReasonsRefusal;
using quicproxy::DropReasonsSettings;

const char* nameOf(DropReasonsRefusal::Cause cause) {
  constexpr const char* kNames[] = {"NoTypes", "NoTracepoint", "NoRights", "Refused", "Settings"};
  return kNames[static_cast<size_t>(cause)];
}

void refuse(Napi::Env env, const DropReasonsRefusal& refusal) {
  Napi::Error error = Napi::Error::New(env, refusal.why);
  error.Set("code", nameOf(refusal.cause));
  if (const char* name = strerrorname_np(refusal.systemError); name != nullptr) error.Set("errno", name);
  error.ThrowAsJavaScriptException();
}

template <typename Number>
std::optional<std::vector<Number>> numbersOf(const Napi::Value& value) {
  if (!value.IsArray()) return std::nullopt;
  const auto array = value.As<Napi::Array>();
  std::vector<Number> numbers;
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Napi::Value each = array.Get(i);
    const int64_t number = each.IsNumber() ? each.As<Napi::Number>().Int64Value() : -1;
    if (number < 0 || number > std::numeric_limits<Number>::max()) return std::nullopt;
    numbers.push_back(static_cast<Number>(number));
  }
  return numbers;
}

double numberOf(uint64_t value) { return static_cast<double>(value); }

Napi::Object objectOf(Napi::Env env, const DropEntry& entry) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("reason", entry.key.reason);
  object.Set("isErrno", Napi::Boolean::New(env, entry.key.kind == QP_DROP_ERRNO));
  object.Set("namespace", entry.key.netns);
  object.Set("interfaceIndex", entry.key.ifindex);
  object.Set("family", entry.key.family);
  object.Set("port", entry.key.port);
  object.Set("direction", entry.key.direction == QP_DROP_OUT ? "out" : "in");
  object.Set("isFragment", Napi::Boolean::New(env, entry.key.is_fragment != 0));
  object.Set("cookie", Napi::BigInt::New(env, uint64_t{entry.key.cookie}));
  object.Set("skbs", numberOf(entry.count.skbs));
  object.Set("datagrams", numberOf(entry.count.datagrams));
  object.Set("octets", numberOf(entry.count.octets));
  return object;
}

class DropReasonsObject : public Napi::ObjectWrap<DropReasonsObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "DropReasons",
        {InstanceMethod<&DropReasonsObject::read>("read"), InstanceMethod<&DropReasonsObject::events>("events"),
         InstanceMethod<&DropReasonsObject::detach>("detach")});
  }

  /// new DropReasons({ namespaces, ports, witness })
  explicit DropReasonsObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DropReasonsObject>(info) {
    if (!info[0].IsObject()) {
      refuseArguments(info.Env());
      return;
    }
    const auto settings = info[0].As<Napi::Object>();
    const auto namespaces = numbersOf<uint32_t>(settings.Get("namespaces"));
    const auto ports = numbersOf<uint16_t>(settings.Get("ports"));
    const Napi::Value witness = settings.Get("witness");
    if (!namespaces || !ports || !witness.IsString()) {
      refuseArguments(info.Env());
      return;
    }
    const bool isReasons = witness.As<Napi::String>().Utf8Value() == "reasons";
    using Witness = DropReasonsSettings::Witness;
    auto attached = DropReasons::attach(
        {.namespaces = *namespaces, .ports = *ports, .witness = isReasons ? Witness::Reasons : Witness::QueueFailures});
    if (const auto* refusal = std::get_if<DropReasonsRefusal>(&attached)) {
      refuse(info.Env(), *refusal);
      return;
    }
    reasons_ = std::make_unique<DropReasons>(std::get<DropReasons>(std::move(attached)));
  }

 private:
  static void refuseArguments(Napi::Env env) {
    Napi::TypeError::New(env, "DropReasons takes namespaces, ports and a witness").ThrowAsJavaScriptException();
  }

  Napi::Value read(const Napi::CallbackInfo& info) {
    const quicproxy::DropTotals totals = reasons_->read();
    Napi::Array entries = Napi::Array::New(info.Env(), totals.entries.size());
    for (uint32_t i = 0; i < totals.entries.size(); i++) entries[i] = objectOf(info.Env(), totals.entries[i]);
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("entries", entries);
    object.Set("events", numberOf(totals.events));
    object.Set("lost", numberOf(totals.lost));
    object.Set("unreadable", numberOf(totals.unreadable));
    object.Set("missed", numberOf(totals.missed));
    return object;
  }

  Napi::Value events(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), numberOf(reasons_->events()));
  }

  void detach(const Napi::CallbackInfo& /*info*/) { reasons_->detach(); }

  std::unique_ptr<DropReasons> reasons_;
};

}  // namespace

void registerDropReasons(Napi::Env env, Napi::Object exports) {
  exports.Set("DropReasons", DropReasonsObject::define(env));
}
