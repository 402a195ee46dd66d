// An XDP program that lets nothing pass.

__attribute__((section("xdp"), used)) int drop_all(void* context) {
  (void)context;
  return 1;  // XDP_DROP
}

char license_text[] __attribute__((section("license"), used)) = "GPL";
