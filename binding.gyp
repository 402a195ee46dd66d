{
  "targets": [
    {
      "target_name": "quicproxy",
      "sources": ["<!@(ls native/abi/*.cc native/route/*.cc native/io/*.cc native/bpf/*.cc native/steer/*.cc native/network/*.cc native/snapshot/*.cc native/context/*.cc native/receive/*.cc native/forward/*.cc native/return/*.cc native/worker/*.cc native/binding/*.cc)"],
      "include_dirs": ["native", "build/bpf", "<!@(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED"],
      "cflags": ["-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"],
      "cflags_cc!": ["-std=gnu++20", "-std=gnu++17", "-std=c++17"],
      "cflags_cc": ["-std=c++20", "-fno-exceptions"],
      "ldflags": ["-Wl,--exclude-libs,ALL"],
      "libraries": ["-lbpf"]
    },
    {
      "target_name": "quicproxy_host",
      "sources": ["<!@(ls native/bpf/*.cc native/drop_reasons/*.cc native/host/*.cc native/host_binding/*.cc)"],
      "include_dirs": ["native", "build/bpf", "<!@(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED"],
      "cflags": ["-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"],
      "cflags_cc!": ["-std=gnu++20", "-std=gnu++17", "-std=c++17"],
      "cflags_cc": ["-std=c++20", "-fno-exceptions"],
      "ldflags": ["-Wl,--exclude-libs,ALL"],
      "libraries": ["-lbpf"]
    }
  ]
}
