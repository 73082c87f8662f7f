/// The files and directories that were met, by device and inode, so that none is counted twice.
///
/// One bit for each inode, in words of 64 neighbours: the inodes of a tree lie close together, so a million files take a
/// few megabytes at most, where a set of pairs would take fifty.
package struct FileIdentities {
  private struct Slot {
    var device: UInt64 = 0
    var group: UInt64 = 0
    /// 0: empty.
    var members: UInt64 = 0
  }

  private var slots = [Slot](repeating: Slot(), count: 64)
  private var used = 0

  package init() {}

  /// Remembers a file; false when it was there.
  package mutating func insert(device: UInt64, inode: UInt64) -> Bool {
    let (group, bit) = (inode >> 6, UInt64(1) << (inode & 63))
    var index = place(device, group)
    while slots[index].members != 0 {
      if slots[index].group == group, slots[index].device == device {
        if slots[index].members & bit != 0 { return false }
        slots[index].members |= bit
        return true
      }
      index = (index + 1) & (slots.count - 1)
    }
    slots[index] = Slot(device: device, group: group, members: bit)
    used += 1
    if used * 4 > slots.count * 3 { grow() }
    return true
  }

  private func place(_ device: UInt64, _ group: UInt64) -> Int {
    let hash = (group ^ (device &* 0xD6E8_FEB8_6659_FD93)) &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: hash >> 32) & (slots.count - 1)
  }

  private mutating func grow() {
    let old = slots
    slots = [Slot](repeating: Slot(), count: old.count * 2)
    for slot in old where slot.members != 0 {
      var index = place(slot.device, slot.group)
      while slots[index].members != 0 { index = (index + 1) & (slots.count - 1) }
      slots[index] = slot
    }
  }
}
