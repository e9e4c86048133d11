// How a batch of window_descent is laid out on a device; on the host, and the same under emulation.
#pragma once

#include "plan.cuh"
#include "window_descent.cuh"

#include <algorithm>

namespace otseg {

struct WindowPlan {
  int lanes, threads, blocks, teams;
  int64_t rows;
  bool cluster, shared_state;
  size_t memory;  // dynamic shared memory of a block
  // Bytes of the parts of the work memory, in the order of WindowDescent.
  size_t density, gradient, prefix, frames, totals, offsets, parts, state;
  size_t bytes() const { return density + gradient + prefix + frames + totals + offsets + parts + state; }
};

// `resident(memory)` says how many blocks with that much shared memory one multiprocessor runs at a time.
template <class T, class Resident>
WindowPlan plan_window(int64_t problems, int64_t n, int64_t k, int threads, const Device& device,
                       const Resident& resident) {
  WindowPlan plan = {};
  plan.threads = threads;
  plan.lanes = lanes_for(k);
  const int64_t unit = threads / plan.lanes;
  plan.rows = unit * (k <= 256 ? 4 : 1);
  plan.blocks = int(divide_up(n, plan.rows));
  plan.shared_state = window_state_bytes<T>(int(k)) <= 32768;
  const auto memory = [&](int64_t blocks) {
    return sizeof(WindowBlock<T>) + (64 + size_t(threads)) * sizeof(double) +
           (plan.shared_state ? window_state_bytes<T>(int(k)) : 0) +
           (splits_offsets(blocks, k) ? 0 : size_t(blocks) * (k + 1) * sizeof(double));
  };
  const size_t most = memory(1) + SPLIT_OFFSETS * sizeof(double);
  const int64_t room = std::max<int64_t>(1, int64_t(device.multiprocessors) * resident(most));
  if (plan.blocks > room) {
    plan.rows = divide_up(divide_up(n, room), unit) * unit;
    plan.blocks = int(divide_up(n, plan.rows));
  }
  plan.memory = memory(plan.blocks);
  plan.cluster = device.clusters && plan.blocks > 1 && plan.blocks <= LARGEST_CLUSTER;
  const int64_t together = room / plan.blocks;  // also bounds the work memory
  plan.teams = int(together < problems ? together : problems);
  const auto bytes = [](size_t count, size_t each) { return (count * each + 15) / 16 * 16; };
  const size_t teams = plan.teams;
  plan.density = plan.gradient = bytes(teams * 2 * n * k, sizeof(T));
  plan.prefix = bytes(teams * n * (k + 1), sizeof(double));
  plan.frames = bytes(teams * 2 * n, sizeof(double));
  plan.totals = bytes(teams * plan.blocks * (k + 1), sizeof(double));
  plan.offsets = splits_offsets(plan.blocks, k) ? plan.totals : 0;
  plan.parts = bytes(teams * plan.blocks * 4, sizeof(double));
  plan.state = plan.shared_state ? 0 : teams * plan.blocks * window_state_bytes<T>(int(k));
  return plan;
}

// The arguments of the kernel from the plan; `work` has plan.bytes(), `arrivals` a zero for every team.
template <class T>
void apply(const WindowPlan& plan, unsigned char* work, unsigned* arrivals, WindowDescent<T>& args) {
  const auto take = [&work](size_t bytes) {
    unsigned char* part = work;
    work += bytes;
    return part;
  };
  args.lanes = plan.lanes;
  args.blocks = plan.blocks;
  args.teams = plan.teams;
  args.rows = plan.rows;
  args.cluster = plan.cluster;
  args.shared_state = plan.shared_state;
  args.density = reinterpret_cast<T*>(take(plan.density));
  args.gradient = reinterpret_cast<T*>(take(plan.gradient));
  args.prefix = reinterpret_cast<double*>(take(plan.prefix));
  args.frames = reinterpret_cast<double*>(take(plan.frames));
  args.totals = reinterpret_cast<double*>(take(plan.totals));
  args.offsets = reinterpret_cast<double*>(take(plan.offsets));
  args.parts = reinterpret_cast<double*>(take(plan.parts));
  args.state = take(plan.state);
  args.arrivals = arrivals;
}

}  // namespace otseg
