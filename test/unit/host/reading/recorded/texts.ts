/* Files of /proc as kernels of several ages print them; hosts and numbers are those of public trouble reports or made up. */

/** Linux 2.6.32: no InCsumErrors anywhere, and UDP-Lite below Udp. */
export const SNMP_2_6 = `Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates
Ip: 2 64 216404593054 0 453 0 0 0 216358974213 98204349777 1 177 1 5 1 1 0 0 0
Icmp: InMsgs InErrors InDestUnreachs InTimeExcds
Icmp: 12 1 10 2
IcmpMsg: InType3 OutType3
IcmpMsg: 2293 2746
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens
Tcp: 1 200 120000 -1 41131438
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors
Udp: 5022882 438 0 5480307 0 0
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors
UdpLite: 7 7 7 7 7 7
`;

/** Linux 3.10: checksum errors in columns of their own, in the midst of Icmp's. */
export const SNMP_3_10 = `Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates
Ip: 1 64 1000 0 0 0 0 0 990 800 0 0 0 0 0 0 0 0 0
Icmp: InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds
Icmp: 12 1 3 10 2
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors
Udp: 653277009 21890889 145418581 194 143350293 0 0
`;

/** Linux 4.15 to 5.10: IgnoredMulti, and no MemErrors yet. */
export const SNMP_4_15 = `Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti
Udp: 653277009 21890889 145418581 194 143350293 0 0 0
`;

/** Linux 5.11 and newer; Ip's OutTransmits since 6.6. */
export const SNMP_6_6 = `Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates OutTransmits
Ip: 1 64 17458 0 0 0 0 0 17456 13388 14 451 0 0 0 0 0 0 0 13388
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
Udp: 100 2 30 50 20 1 4 0 5
`;

export const NETSTAT = `TcpExt: SyncookiesSent IPReversePathFilter TCPTimeWaitOverflow
TcpExt: 0 500 0
IpExt: InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts InOctets OutOctets InMcastOctets OutMcastOctets InBcastOctets OutBcastOctets InCsumErrors InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts ReasmOverlaps
IpExt: 0 0 0 0 0 0 18446744073709551615 1 0 0 0 0 0 60000 1 2 3 0
`;

export const SNMP6 = `Ip6InReceives                   \t2023
Ip6InDelivers                   \t2020
Icmp6InMsgs                     \t3
Icmp6InType134                  \t2
Udp6InDatagrams                 \t186861
Udp6InErrors                    \t47
Udp6MemErrors                   \t9
UdpLite6InDatagrams             \t11
`;

/** Columns of Linux 2.6.23: 9, 2.6.35 (RHEL 6 and 7): 10, 3.11: 11, 5.10: 13, 6.x: 15. The 13-column one lacks CPU 1. */
export const SOFTNET = {
  9: "00029620 00000001 00000002 00000000 00000000 00000000 00000000 00000000 00000000\n",
  10: "00029620 00000001 00000002 00000000 00000000 00000000 00000000 00000000 00000000 0000000a\n",
  11: "00029620 00000001 00000002 00000000 00000000 00000000 00000000 00000000 00000000 0000000a 0000000b\n",
  13:
    "00029620 00000001 00000002 00000000 00000000 00000000 00000000 00000000 00000000 0000000a 0000000b 0000000c 00000000\n" +
    "ffffffff 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000002\n",
  15: "00029620 00000001 00000002 00000000 00000000 00000000 00000000 00000000 00000000 0000000a 0000000b 0000000c 00000007 00000004 00000008\n",
} as const;

export const CONNTRACK_OLD = `entries  searched found new invalid ignore delete delete_list insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
0000071e  0760e6ff 8c03e663 00522d9e 001e9e1a 00ac099f 006c61af 005a1da9 003fe1df 00000000 0000053a 00000000 00021251  00000029 00004b29 000069a6 00000000
0000071e  00b57258 0f2d9e94 0026027a 00010d90 007c689a 001a408f 0017d10c 00239697 00000001 00000002 00000003 00000000  00000007 0000294d 00001de8 00000000
`;

export const CONNTRACK_NEW = `entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
00000009  00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000004 00000005 00000006 00000000  00000000 00000000 00000000 00000000
00000009  00000002 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000040 00000050 00000060 00000000  00000000 00000000 00000000 00000000
`;

/** Linux 2.6.32 of an ARM device: fewer columns. */
export const CONNTRACK_SHORT = `entries  searched found new invalid ignore delete delete_list insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete
00000010  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000001 00000000 00000000  00000000 00000000 00000000
`;

export const ARP_CACHE = `entries  allocs   destroys hash_grows lookups  hits     res_failed rcv_probes_mcast rcv_probes_ucast periodic_gc_runs forced_gc_runs unresolved_discards table_fulls
00000002 000011c3 00001206 00000001   00003abb 00001184 00000000   00000000         00000000         00000654         00000000       00001e88            00000000
00000002 000011db 00001196 00000002   00003a78 000011fe 00000000   00000000         00000000         00000000         00000000       00000010            00000000
`;

export const STAT = `cpu  1912799 431892 576927 1874476 5283 0 55227 1000 0 0
cpu0 942110 211873 283537 962471 1174 0 26787 505 0 0
cpu2 970688 220018 293390 912005 4109 0 28440 495 0 0
intr 80915373 0 0
ctxt 205916072
`;

/** Linux 2.6.32: nine columns. */
export const STAT_2_6 =
  "cpu  341310678 2226 59056382 5392150561 3515033 910 557972 1368619 0\ncpu0 341310678 2226 59056382 5392150561 3515033 910 557972 1368619 0\n";

export const NET_DEV = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 10348285033 43789863    0    0    0     0          0         0 10348285033 43789863    0    0    0     0       0          0
  eth0:3200748730   95420    1 7142467    3     4          5         6  9154936   68330    7    8    9     10       11          12
`;

/** Linux 3.10 of a report: a full queue of 1 GiB, and drops that a later kernel of its age prints as a negative number. */
export const UDP_3_10 = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  362: 00000000:232A 00000000:0000 07 00000000:3FFFFFC0 00:00000000 00000000     0        0 19182 2 ffff8808539e0000 1875166813
12419: 0100007F:8797 0100007F:C351 01 00000900:00000000 00:00000000 00000000  1001        0 1016395 2 0000000000000000 -2147483648
`;

export const UDP6_5_4 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 6746: 00000000000000000000000000000000:1152 00000000000000000000000000000000:0000 07 00000000:000009C0 00:00000000 00000000     0        0 5807558 2 00000000076793ed 4294967295
 6747: 0000000000000000FFFF0000010200C0:1153 B80D0120000000000000000001000000:1152 01 00000000:00000000 00:00000000 00000000 65534        0 5807560 2 00000000f5bc8259 0
`;

export const SOCKSTAT = `sockets: used 14
TCP: inuse 1 orphan 0 tw 0 alloc 1 mem 0
UDP: inuse 3 mem 1520
UDPLITE: inuse 0
RAW: inuse 0
FRAG: inuse 0 memory 0
`;

export const NFQUEUE = `    0  17053  4096 2 65535 1018019     5        1  1
   12      0     0 2   100       0     0      233  1
`;
