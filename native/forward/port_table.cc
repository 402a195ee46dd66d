#include "forward/port_table.h"

namespace quicproxy {

PortTable::PortTable(uint32_t flows, SipKey key) : key_(key), places_(flows + flows / 2 + 2) {}

uint32_t PortTable::hash(const FourTuple& path) const {
  return static_cast<uint32_t>(sipHash64(key_, {reinterpret_cast<const uint8_t*>(&path), sizeof path}));
}

void PortTable::insert(uint32_t hash, uint32_t flow) {
  size_t at = home(hash);
  while (places_[at].flow != kNoFlow) at = after(at);
  places_[at] = {hash, flow};
}

bool PortTable::erase(uint32_t hash, uint32_t flow) {
  size_t hole = home(hash);
  while (places_[hole].flow != flow) {
    if (places_[hole].flow == kNoFlow) return false;
    hole = after(hole);
  }
  // Every entry behind the hole, up to the next free place, moves into it unless its home lies between them.
  for (size_t at = after(hole); places_[at].flow != kNoFlow; at = after(at)) {
    const size_t wanted = home(places_[at].hash);
    const bool stays = hole < at ? (wanted > hole && wanted <= at) : (wanted > hole || wanted <= at);
    if (stays) continue;
    places_[hole] = places_[at];
    hole = at;
  }
  places_[hole] = {};
  return true;
}

}  // namespace quicproxy
