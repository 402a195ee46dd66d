/* Maps of steer.bpf.c, as C for the BPF compiler and for C++. */
#pragma once

#include <linux/types.h>

/* C knows no constexpr and no base types of enums. NOLINTBEGIN(modernize-macro-to-enum, performance-enum-size) */

#define QP_STEER_WORKERS 64

/* Longest Connection ID of QUIC v1 and v2 (RFC 9000 section 17.2). */
#define QP_STEER_CID_BYTES 20

/* Each length costs a look-up per short header: as many as the workers try (route/cid_lengths.h). */
#define QP_STEER_LENGTHS 8

/* At least; more with the flow memory, see Steering::create. About 100 octets of kernel memory each. */
#define QP_STEER_CIDS 65536
#define QP_STEER_PATHS 16384

/* A Connection ID that a backend chose. Zero behind its length. */
struct steer_cid {
  __u8 length;
  __u8 octets[QP_STEER_CID_BYTES];
  __u8 reserved[3];
};

/* Written by the workers, read by the program. */
struct steer_settings {
  __u8 cid_lengths[QP_STEER_LENGTHS]; /* of the Connection IDs in the map, in falling order; 0 behind the last */
  __u32 paths_in_use;                 /* 0: no path is in its map yet */
};

/* What the program did with a message, a datagram or a train. */
enum steer_outcome {
  QP_STEER_BY_PATH,
  QP_STEER_BY_CID,
  QP_STEER_UNKNOWN,
  QP_STEER_UNREADABLE,
  QP_STEER_NO_SOCKET,
  QP_STEER_OUTCOMES,
};

/* NOLINTEND(modernize-macro-to-enum, performance-enum-size) */
