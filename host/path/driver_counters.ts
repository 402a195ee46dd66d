/*
 * What the counters of `ethtool -S` mean, driver by driver, as their sources and manuals say. Rules of one driver are tried
 * in order. Several queues of one rule are added up; rules of one `event` count the same datagrams, so that only the
 * greatest counts.
 */

/**
 * ring: no receive descriptor or no room in the device. port: refused before the ring (PCIe too slow, no pause frames).
 * memory: no pages. corrupt: damaged or too long. xdp: an XDP program dropped it. cloud: a limit of hypervisor or cloud
 * (cloud-drop: surely dropped). pressure: a sign, no loss. send: on the way out. suspect: of a driver that is not known.
 * ignored: no loss.
 */
export type CounterClass =
  | "ring"
  | "port"
  | "memory"
  | "corrupt"
  | "xdp"
  | "cloud"
  | "cloud-drop"
  | "pressure"
  | "send"
  | "suspect"
  | "ignored";

export interface CounterRule {
  readonly name: RegExp;
  readonly means: CounterClass;
  /** Rules of one event count the same datagrams. Default: the meaning. */
  readonly event?: string;
}

export interface DriverRules {
  readonly drivers: readonly string[];
  /** Its counters stand still for this long. */
  readonly refreshSeconds?: number;
  /** Whether rx_dropped of the link is loss of the device, and not frames that the stack had no use for. */
  readonly isRxDroppedLoss?: true;
  readonly rules: readonly CounterRule[];
}

const rule = (name: RegExp, means: CounterClass, event?: string): CounterRule => ({
  name,
  means,
  ...(event !== undefined && { event }),
});

const IGNORED = /csum_offload|unknown|filtered|pause|cache|steer_missed|exact|squeeze|if_down/i;
const SUSPECT = /drop|discard|miss|no_?buf|no_desc|oob|overrun|overflow|fifo|alloc_fail|no_mem/i;
const SENDS = /^\s*(\[\d+\]: )?(tx|.*_tx_|cpu\d+_tx)/i;

/** For a driver that is not in the list: words that make one suspicious, and words that never mean loss. */
const UNKNOWN_DRIVER: DriverRules = {
  drivers: [],
  rules: [rule(IGNORED, "ignored"), rule(SENDS, "ignored"), rule(SUSPECT, "suspect")],
};

const DRIVERS: readonly DriverRules[] = [
  {
    // Documentation/networking/device_drivers/ethernet/mellanox/mlx5/counters.rst
    drivers: ["mlx5_core", "mlx5e_rep"],
    refreshSeconds: 1,
    rules: [
      rule(
        /^(rx_steer_missed_packets|rx_if_down_packets|(rx|ch)\d*_cache_.*|rx\d*_cache_.*|tx\d*_stopped)$/,
        "ignored",
      ),
      rule(/^(rx_out_of_buffer|dev_out_of_buffer|dev_internal_queue_oob)$/, "ring"),
      rule(/^rx_discards_phy$/, "port"),
      rule(/^rx_prio\d+_discards$/, "port", "port-by-priority"),
      rule(/^rx_buff_alloc_err$/, "memory"),
      rule(/^rx\d+_buff_alloc_err$/, "memory", "memory-by-queue"),
      rule(/^(rx_crc_errors_phy|rx_symbol_err_phy|rx_oversize_pkts_(phy|buffer|sw_drop))$/, "corrupt"),
      rule(/^rx_xdp_drop$/, "xdp"),
      rule(/^rx\d+_xdp_drop$/, "xdp", "xdp-by-queue"),
      rule(/^(tx_pause_ctrl_phy|tx_(global|prio\d+)_pause|rx_buffer_passed_thres_phy)$/, "pressure"),
      rule(/^(tx_queue_dropped|tx_discards_phy)$/, "send"),
      rule(/^tx\d+_dropped$/, "send", "send-by-queue"),
    ],
  },
  {
    // mlx4/en_port.c: the three errors are all RdropOvflw, 32 bit.
    drivers: ["mlx4_en"],
    rules: [
      rule(/^rx_over_errors$/, "ring"),
      rule(/^rx_fifo_errors$/, "ring", "ring-again"),
      rule(/^rx_missed_errors$/, "ring", "ring-and-again"),
      rule(/^rx_dropped$/, "ring", "ring-dropped"),
      rule(/^rx_alloc_failed$/, "memory"),
      rule(/^(rx_length_errors|rx_crc_errors)$/, "corrupt"),
      rule(/^tx_dropped$/, "send"),
    ],
  },
  {
    drivers: ["ixgbe", "ixgbevf"],
    refreshSeconds: 2,
    rules: [
      rule(/^(rx_csum_offload_errors|fdir_miss|fdir_overflow|os2bmc_.*)$/, "ignored"),
      rule(/^rx_missed_errors$/, "ring"),
      rule(/^rx_no_dma_resources$/, "ring", "no-descriptor"),
      rule(/^(rx_no_buffer_count|alloc_rx_page_failed|alloc_rx_buff_failed|alloc_rx_page|alloc_rx_buff)$/, "memory"),
      rule(/^(rx_crc_errors|rx_length_errors)$/, "corrupt"),
      rule(/^(tx|rx)_flow_control_xoff$/, "pressure"),
    ],
  },
  {
    drivers: ["i40e", "iavf"],
    refreshSeconds: 2,
    rules: [
      rule(/^(rx_unknown_protocol|veb\..*)$/, "ignored"),
      rule(/^rx_dropped$/, "ring"),
      rule(/^port\.rx_dropped$/, "ring", "ring-of-port"),
      rule(/^rx_alloc_fail$/, "memory"),
      rule(/^port\.rx_(crc_errors|length_errors|oversize)$/, "corrupt"),
      rule(/^port\.(link_xoff_tx|tx_xoff)$/, "pressure"),
      rule(/^tx_dropped$/, "send"),
    ],
  },
  {
    drivers: ["ice"],
    refreshSeconds: 2,
    rules: [
      rule(/^rx_unknown_protocol$/, "ignored"),
      rule(/^rx_dropped$/, "ring"),
      rule(/^rx_dropped\.nic$/, "ring", "ring-of-port"),
      rule(/^(rx_alloc_fail|rx_pg_alloc_fail)$/, "memory"),
      rule(/^(rx_csum_bad|rx_crc_errors|rx_oversize)\.nic$/, "corrupt"),
      rule(/^link_xoff_tx\.nic$/, "pressure"),
      rule(/^tx_dropped_link_down\.nic$/, "send"),
    ],
  },
  {
    // rx_no_buffer_count: waited for a descriptor, often not lost. rx_queue_N_csum_err: delivered all the same.
    drivers: ["igb", "igc", "e1000e", "e1000"],
    refreshSeconds: 2,
    rules: [
      rule(/^(dropped_smbus|rx_queue_\d+_csum_err|rx_csum_offload_errors)$/, "ignored"),
      rule(/^rx_missed_errors$/, "ring"),
      rule(/^rx_fifo_errors$/, "ring", "ring-again"),
      rule(/^rx_queue_\d+_drops$/, "ring", "ring-by-queue"),
      rule(/^rx_no_buffer_count$/, "pressure"),
      rule(/^(rx_queue_\d+_alloc_failed|alloc_rx_buff_failed)$/, "memory"),
      rule(/^(rx_crc_errors|rx_length_errors)$/, "corrupt"),
      rule(/^tx_flow_control_xoff$/, "pressure"),
    ],
  },
  {
    // The allowances count datagrams that were queued or dropped; the last two surely dropped.
    drivers: ["ena"],
    refreshSeconds: 1,
    isRxDroppedLoss: true,
    rules: [
      rule(/^(conntrack_allowance_available|queue_\d+_rx_refil_partial)$/, "ignored"),
      rule(/^bw_in_allowance_exceeded$/, "cloud", "bandwidth in"),
      rule(/^bw_out_allowance_exceeded$/, "cloud", "bandwidth out"),
      rule(/^pps_allowance_exceeded$/, "cloud", "datagrams per second"),
      rule(/^conntrack_allowance_exceeded$/, "cloud-drop", "tracked connections"),
      rule(/^linklocal_allowance_exceeded$/, "cloud-drop", "link-local services"),
      rule(/^queue_\d+_rx_empty_rx_ring$/, "memory", "empty-ring"),
      rule(/^queue_\d+_rx_(page_alloc_fail|skb_alloc_fail)$/, "memory"),
      rule(/^queue_\d+_rx_(bad_csum|csum_bad)$/, "corrupt", "checksum"),
      rule(/^queue_\d+_rx_(bad_desc_num|bad_req_id)$/, "corrupt"),
      rule(/^queue_\d+_rx_xdp_drop$/, "xdp"),
    ],
  },
  {
    // Only with the private flag report-stats, every 20 s.
    drivers: ["gve"],
    refreshSeconds: 20,
    rules: [
      rule(/^rx_queue_drop_cnt\[\d+\]$/, "ring"),
      rule(/^rx_no_buffers_posted\[\d+\]$/, "ring", "no-buffer"),
      rule(/^rx_drops_(packet_over_mru|invalid_checksum)\[\d+\]$/, "corrupt"),
      rule(/^(rx_skb_alloc_fail|rx_buf_alloc_fail)(\[\d+\])?$/, "memory"),
      rule(/^rx_desc_err_dropped_pkt(\[\d+\])?$/, "corrupt", "descriptor"),
      rule(/^rx_xdp_drop\[\d+\]$/, "xdp"),
    ],
  },
  {
    // Without the device's statistics (6.11) what the host loses is invisible.
    drivers: ["virtio_net"],
    rules: [
      rule(/^rx_queue_\d+_xdp_drops$/, "xdp"),
      rule(/^rx_queue_\d+_drops$/, "ring"),
      rule(/^rx\d*_hw_(drops|drop_overruns)$/, "cloud-drop", "host"),
      rule(/^rx\d*_hw_drop_ratelimits$/, "cloud-drop", "rate limit"),
    ],
  },
  {
    // "pkts rx OOB" is not in rx_dropped.
    drivers: ["vmxnet3"],
    isRxDroppedLoss: true,
    rules: [
      rule(/^pkts rx OOB$/, "ring"),
      rule(/^drv dropped rx total$/, "ring", "driver"),
      rule(/^rx buf alloc fail$/, "memory"),
      rule(/^(err|fcs|pkts rx err)$/, "corrupt"),
      rule(/^(drv dropped tx total|pkts tx (err|discard))$/, "send"),
    ],
  },
  {
    drivers: ["hv_netvsc"],
    rules: [
      rule(/^cpu\d+_vf_/, "ignored"),
      rule(/^rx_no_memory$/, "memory"),
      rule(/^rx_comp_busy$/, "ring"),
      rule(/^rx_queue_\d+_xdp_drop$/, "xdp"),
      rule(/^vlan_error$/, "corrupt"),
      rule(/^(tx_send_full|tx_no_space|tx_no_memory|tx_busy)$/, "send"),
    ],
  },
  {
    // rx_total_discard_pkts is the sum of the queues.
    drivers: ["bnxt_en"],
    refreshSeconds: 1,
    rules: [
      rule(/^(\[\d+\]: )?rx_discards$/, "ring"),
      rule(/^(\[\d+\]: )?rx_drops$/, "ring", "drops"),
      rule(/^rx_total_discard_pkts$/, "ring", "total"),
      rule(/^rx_stat_discard$/, "port"),
      rule(/^(rx_total_oom_discards|rx_total_netpoll_discards)$/, "memory"),
      rule(/^(\[\d+\]: )?rx_l4_csum_errors$/, "corrupt"),
      rule(/^continuous_pause_events$/, "pressure"),
    ],
  },
  {
    // mbuf_lwm_thresh_hit is copied from rx_discards.
    drivers: ["tg3"],
    rules: [
      rule(/^rx_discards$/, "ring"),
      rule(/^rxbds_empty$/, "ring", "no-descriptor"),
      rule(/^mbuf_lwm_thresh_hit$/, "ring", "copied"),
      rule(/^(rx_threshold_hit|dma_writeq_full)$/, "pressure"),
    ],
  },
  {
    drivers: ["be2net"],
    rules: [
      rule(/^rx_address_filtered$/, "ignored"),
      rule(/^rxq\d+: rx_drops_no_frags$/, "ring"),
      rule(/^rxq\d+: (rx_drops_no_skbs|rx_drops_no_pbuf)$/, "memory"),
      rule(/^rx_udp_checksum_errs$/, "corrupt"),
    ],
  },
  {
    drivers: ["r8169", "r8125", "r8168"],
    rules: [rule(/^(broadcast|unicast|multicast)$/, "ignored"), rule(/^rx_missed$/, "ring")],
  },
  {
    drivers: ["veth"],
    rules: [rule(/^rx_queue_\d+_xdp_drops$/, "xdp"), rule(/^rx_queue_\d+_drops$/, "ring"), rule(/./, "ignored")],
  },
  {
    // None of their own: the loss is at the devices below them.
    drivers: ["bonding", "bridge", "team", "802.1Q VLAN Support", "tun", "dummy", "vxlan"],
    rules: [rule(/./, "ignored")],
  },
  { drivers: ["sfc"], refreshSeconds: 1, rules: [rule(/^(port_)?rx_nodesc_drop(s|_cnt)$/, "ring")] },
  { drivers: ["enic", "cxgb4"], isRxDroppedLoss: true, rules: UNKNOWN_DRIVER.rules },
];

const BY_DRIVER = new Map(DRIVERS.flatMap((rules) => rules.drivers.map((driver) => [driver, rules])));

/** What is known of a driver; of one that is not in the list, only which words sound like loss. */
export function rulesOf(driver: string | undefined): DriverRules {
  return BY_DRIVER.get(driver ?? "") ?? UNKNOWN_DRIVER;
}

export const isKnownDriver = (driver: string | undefined): boolean => BY_DRIVER.has(driver ?? "");

/** What one counter means; undefined: nothing that this is about. */
export function counterRuleOf(driver: string | undefined, counter: string): CounterRule | undefined {
  const name = counter.trim();
  return rulesOf(driver).rules.find((each) => each.name.test(name));
}

export const eventOf = ({ event, means }: CounterRule): string => event ?? means;
