/*
 * What ThreadSanitizer need not report; read by its runtime, nothing to other builds.
 *
 * leaveGroup: the control thread connects a listening socket on which its worker receives and sends at that time. That
 * is the kernel's to put in order (it locks the socket), but ThreadSanitizer takes connect(2) for the making of a
 * descriptor.
 */
extern "C" const char* __tsan_default_suppressions() { return "race:^quicproxy::leaveGroup\n"; }
