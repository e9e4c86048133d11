// The CUDA kernel of otseg::sinkhorn_sweeps on the host, for test_cuda_host.py.

#include "cuda_host.h"

#include "sinkhorn_plan.cuh"

namespace {

using namespace otseg;

// What the test chooses: the device, the threads of a block, and the order in which threads take turns.
struct Machine {
  int64_t multiprocessors, shared, resident, clusters, threads, order;
};

template <class T, int L>
void launch(const SinkhornPlan& plan, const Sinkhorn<T>& args, int order) {
  host::launch(plan.teams * plan.blocks, plan.threads, plan.memory, order, [&] { sinkhorn_kernel<T, L>(args); });
}

template <class T>
int run(const Machine& machine, Sinkhorn<T>& args) {
  const Device device = {int(machine.multiprocessors), size_t(machine.shared), bool(machine.clusters)};
  const auto resident = [&](size_t memory) { return memory <= device.shared ? int(machine.resident) : 0; };
  const SinkhornPlan plan =
      plan_sinkhorn<T>(args.problems, args.n, args.k, int(machine.threads), device, resident);
  std::vector<unsigned char> work(plan.bytes(), 0xff);
  std::vector<unsigned> arrivals(plan.teams, 0);
  apply(plan, work.data(), arrivals.data(), args);
  switch (plan.lanes) {
    case 2: launch<T, 2>(plan, args, machine.order); break;
    case 4: launch<T, 4>(plan, args, machine.order); break;
    case 8: launch<T, 8>(plan, args, machine.order); break;
    default: launch<T, 32>(plan, args, machine.order);
  }
  return plan.blocks * 10 + plan.cached;
}

template <class T>
int solve(const Machine* machine, const int64_t* sizes, const T* score, const T* a, const T* b, const T* slope_a,
          const T* slope_b, const T* f, int64_t max_iter, double tol, bool translate, T* f_out, T* g_out,
          int64_t* n_iter, T* error) {
  Sinkhorn<T> args = {};
  args.problems = sizes[0];
  args.n = sizes[1];
  args.k = int(sizes[2]);
  for (int axis = 0; axis < 3; ++axis) args.strides[axis] = sizes[3 + axis];
  args.score = score;
  args.a = a;
  args.b = b;
  args.slope_a = slope_a;
  args.slope_b = slope_b;
  args.f = f;
  args.max_iter = max_iter;
  args.test = tol >= 0;
  args.tol = tol;
  args.translate = translate;
  args.f_out = f_out;
  args.g_out = g_out;
  args.n_iter = n_iter;
  args.error = error;
  return run(*machine, args);
}

}  // namespace

// Ten times the blocks of a problem, plus 1 where its entries were kept in shared memory.
#define ENTRY(name, T)                                                                                            \
  extern "C" int name(const Machine* machine, const int64_t* sizes, const T* score, const T* a, const T* b,       \
                      const T* slope_a, const T* slope_b, const T* f, int64_t max_iter, double tol, int translate, \
                      T* f_out, T* g_out, int64_t* n_iter, T* error) {                                            \
    return solve<T>(machine, sizes, score, a, b, slope_a, slope_b, f, max_iter, tol, translate, f_out, g_out,     \
                    n_iter, error);                                                                               \
  }
ENTRY(sinkhorn_float, float)
ENTRY(sinkhorn_double, double)
