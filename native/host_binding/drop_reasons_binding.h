#pragma once

#include <napi.h>

/// Adds the class DropReasons; its shapes are in host/reading/live/watch_drops.ts.
void registerDropReasons(Napi::Env env, Napi::Object exports);
