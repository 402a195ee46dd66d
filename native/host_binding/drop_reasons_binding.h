#pragma once

#include <napi.h>

/// Adds the class DropReasons; its shapes are in host/reading/live/drop_reasons_program.ts.
void registerDropReasons(Napi::Env env, Napi::Object exports);
