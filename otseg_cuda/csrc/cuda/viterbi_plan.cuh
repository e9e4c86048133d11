// How a batch of sequences is laid out on a device; on the host, and the same under emulation.
#pragma once

#include "plan.cuh"
#include "viterbi.cuh"

#include <algorithm>

namespace otseg {

struct ViterbiPlan {
  int threads, blocks, pointer_bytes;
  bool few, shared_chain;
  size_t memory;        // dynamic shared memory of a block
  size_t before_bytes;  // back-pointers of a block, a multiple of 16
  size_t bytes() const { return size_t(blocks) * before_bytes; }
};

// `resident(few, threads, memory)` says how many blocks one multiprocessor runs at a time; blocks is 0 where none fits.
template <class T, class Resident>
ViterbiPlan plan_viterbi(int64_t problems, int64_t n, int64_t k, const Device& device, const Resident& resident) {
  ViterbiPlan plan = {};
  plan.few = k <= FEW_STATES;
  plan.threads = plan.few ? 32 : int(std::min<int64_t>(MOST_THREADS<T>, divide_up(k, 32) * 32));
  plan.pointer_bytes = k <= 256 ? 1 : k <= 65536 ? 2 : 4;
  const size_t block = plan.few ? sizeof(ViterbiBlock<T, true>) : sizeof(ViterbiBlock<T, false>);
  const size_t stage = size_t(frames_of_tile(int(k), plan.pointer_bytes) + 3) / 4 * 4 * sizeof(int);
  const size_t base = (block + 15) / 16 * 16 + 2 * size_t(padded_states(int(k))) * sizeof(T) +
                      tile_bytes(int(k), plan.pointer_bytes) + stage + size_t(AHEAD) * plan.threads * sizeof(T) +
                      2 * size_t(k) * sizeof(int);
  const size_t chain = size_t(k) * k * sizeof(T);
  plan.shared_chain = !plan.few && base + chain <= device.shared && resident(plan.few, plan.threads, base + chain) >= 1;
  plan.memory = base + (plan.shared_chain ? chain : 0);
  const int64_t room = int64_t(device.multiprocessors) * resident(plan.few, plan.threads, plan.memory);
  plan.blocks = int(std::min(room, problems));
  plan.before_bytes = (size_t(n) * k * plan.pointer_bytes + 15) / 16 * 16;
  return plan;
}

// The arguments of the kernel from the plan; `work` has plan.bytes().
template <class T>
void apply(const ViterbiPlan& plan, unsigned char* work, Viterbi<T>& args) {
  args.pointer_bytes = plan.pointer_bytes;
  args.shared_chain = plan.shared_chain;
  args.before_bytes = plan.before_bytes;
  args.before = work;
}

}  // namespace otseg
