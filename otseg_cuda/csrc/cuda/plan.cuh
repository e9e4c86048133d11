// What the plans of all kernels share: how problems are laid out on a device. Host code, the same under emulation.
#pragma once

#include <cstddef>
#include <cstdint>

namespace otseg {

struct Device {
  int multiprocessors;
  size_t shared;    // bytes that a block may have
  bool clusters;    // can the kernel be launched in clusters?
};

constexpr int LARGEST_CLUSTER = 8;  // that every device with clusters can run

// Lanes of a row: those that hold k columns at 8 each; more columns come in strips.
inline int lanes_for(int64_t k) { return k <= 16 ? 2 : k <= 32 ? 4 : k <= 64 ? 8 : 32; }

inline int64_t divide_up(int64_t x, int64_t y) { return (x + y - 1) / y; }

}  // namespace otseg
