// How a batch of Sinkhorn problems is laid out on a device; on the host, and the same under emulation.
#pragma once

#include "plan.cuh"
#include "sinkhorn.cuh"

#include <algorithm>

namespace otseg {

struct SinkhornPlan {
  int lanes, threads, blocks, teams;
  int64_t rows;
  bool cached, cluster, shared_state;
  size_t memory;  // dynamic shared memory of a block
  size_t partial_bytes, exchange_bytes, state_bytes;
  size_t bytes() const { return partial_bytes + exchange_bytes + state_bytes; }
};

// `resident(memory)` says how many blocks with that much shared memory one multiprocessor runs at a time. Rows
// of a block depend on N and K alone, and not on N while a problem has few blocks: so neighbors change no bit, and
// neither does padding up to about 16000 entries per multiprocessor.
template <class T, class Resident>
SinkhornPlan plan_sinkhorn(int64_t problems, int64_t n, int64_t k, int threads, const Device& device,
                           const Resident& resident) {
  SinkhornPlan plan = {};
  plan.threads = threads;
  plan.lanes = lanes_for(k);
  const int64_t unit = threads / plan.lanes;
  plan.rows = unit * (k <= 256 ? 4 : k <= 512 ? 2 : 1);
  plan.blocks = int(divide_up(n, plan.rows));
  plan.shared_state = state_bytes<T>(int(k)) + partial_size(int(k)) * sizeof(T) <= 32768;
  const size_t sums = (threads / 32) * size_t(plan.lanes) * ENTRIES * 2 * sizeof(T);
  const size_t scratch = sizeof(SinkhornBlock<T>) + 64 * sizeof(double) + sums;
  const size_t base = scratch + (plan.shared_state ? state_bytes<T>(int(k)) : 0);
  const auto memory = [&](int64_t rows, int blocks) {  // with all entries of a block
    return base + (blocks == 1 && plan.shared_state ? partial_size(int(k)) * sizeof(T) : 0) +
           size_t(divide_up(rows, unit) * (divide_up(k, plan.lanes) + 1)) * threads * sizeof(T);
  };
  const auto spread = [&](int64_t most) {  // over at most so many blocks
    if (plan.blocks <= most) return;
    plan.rows = divide_up(divide_up(n, most), unit) * unit;
    plan.blocks = int(divide_up(n, plan.rows));
  };
  const int64_t few = device.multiprocessors, many = std::max<int64_t>(1, int64_t(few) * resident(base));
  // One block per multiprocessor if that keeps a long problem on the chip, as many as run at a time if not.
  const bool fits = k <= plan.lanes * ENTRIES && memory(divide_up(n, few) + unit, 2) <= device.shared;
  spread(plan.blocks > few && fits ? few : many);
  plan.memory = memory(plan.rows, plan.blocks);
  plan.cached = k <= plan.lanes * ENTRIES && plan.memory <= device.shared && resident(plan.memory) >= 1;
  if (!plan.cached) plan.memory = memory(0, plan.blocks);
  plan.cluster = device.clusters && plan.blocks > 1 && plan.blocks <= LARGEST_CLUSTER;
  plan.teams = int(problems);
  if (plan.blocks > 1 && !plan.cluster) {
    int64_t room = int64_t(few) * resident(plan.memory);
    if (room < plan.blocks) {  // the cache would keep a block of a team waiting
      plan.cached = false;
      plan.memory = memory(0, plan.blocks);
      room = many;
    }
    plan.teams = int(room / plan.blocks < problems ? room / plan.blocks : problems);
  }
  const bool partials_shared = plan.shared_state && plan.blocks == 1;
  plan.partial_bytes = partials_shared ? 0 : size_t(plan.teams) * plan.blocks * partial_size(int(k)) * sizeof(T);
  plan.partial_bytes = (plan.partial_bytes + 15) / 16 * 16;
  plan.exchange_bytes = size_t(k) * plan.blocks > SPLIT_SUMS ? size_t(plan.teams) * k * sizeof(double) : 0;
  plan.exchange_bytes = (plan.exchange_bytes + 15) / 16 * 16;
  plan.state_bytes = plan.shared_state ? 0 : size_t(plan.teams) * plan.blocks * state_bytes<T>(int(k));
  return plan;
}

// The arguments of the kernel from the plan; `work` has plan.bytes(), `arrivals` a zero for every team.
template <class T>
void apply(const SinkhornPlan& plan, unsigned char* work, unsigned* arrivals, Sinkhorn<T>& args) {
  args.lanes = plan.lanes;
  args.blocks = plan.blocks;
  args.teams = plan.teams;
  args.rows = plan.rows;
  args.cached = plan.cached;
  args.cluster = plan.cluster;
  args.shared_state = plan.shared_state;
  args.partial = reinterpret_cast<T*>(work);
  args.exchange = reinterpret_cast<double*>(work + plan.partial_bytes);
  args.state = work + plan.partial_bytes + plan.exchange_bytes;
  args.arrivals = arrivals;
}

}  // namespace otseg
