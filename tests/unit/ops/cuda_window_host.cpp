// The CUDA kernel of otseg::window_descent on the host, for test_cuda_window.py.

#include "cuda_host.h"

#include "window_plan.cuh"

namespace {

using namespace otseg;

struct Machine {
  int64_t multiprocessors, resident, threads, order;
};

template <class T>
int solve(const Machine* machine, const int64_t* sizes, T** in, const int64_t* half_width, int64_t max_iter, double tol,
          int trace, T** out, int64_t* n_iter) {
  WindowDescent<T> args = {};
  args.problems = sizes[0];
  args.n = sizes[1];
  args.k = int(sizes[2]);
  for (int axis = 0; axis < 3; ++axis) {
    args.strides[axis] = sizes[3 + axis];
    args.init_strides[axis] = sizes[6 + axis];
  }
  const T** inputs[] = {&args.cost,   &args.a,         &args.b,    &args.epsilon, &args.rho_a, &args.rho_b,
                        &args.weight, &args.curvature, &args.init, &args.step};
  for (int i = 0; i < 10; ++i) *inputs[i] = in[i];
  args.half_width = half_width;
  args.max_iter = max_iter;
  args.test = tol >= 0;
  args.tol = tol;
  args.trace = trace;
  T** outputs[] = {&args.plan, &args.f, &args.g, &args.objective, &args.error, &args.history};
  for (int i = 0; i < 6; ++i) *outputs[i] = out[i];
  args.n_iter = n_iter;
  const Device device = {int(machine->multiprocessors), 200000, false};
  const auto resident = [&](size_t) { return int(machine->resident); };
  const WindowPlan plan = plan_window<T>(args.problems, args.n, args.k, int(machine->threads), device, resident);
  std::vector<unsigned char> work(plan.bytes(), 0xff);
  std::vector<unsigned> arrivals(plan.teams, 0);
  apply(plan, work.data(), arrivals.data(), args);
  const unsigned blocks = plan.teams * plan.blocks;
  host::launch(blocks, plan.threads, plan.memory, int(machine->order), [&] { window_kernel<T>(args); });
  return plan.blocks;
}

}  // namespace

// Returns the number of blocks of a problem.
extern "C" int window_float(const Machine* machine, const int64_t* sizes, float** in, const int64_t* half_width,
                            int64_t max_iter, double tol, int trace, float** out, int64_t* n_iter) {
  return solve(machine, sizes, in, half_width, max_iter, tol, trace, out, n_iter);
}
extern "C" int window_double(const Machine* machine, const int64_t* sizes, double** in, const int64_t* half_width,
                             int64_t max_iter, double tol, int trace, double** out, int64_t* n_iter) {
  return solve(machine, sizes, in, half_width, max_iter, tol, trace, out, n_iter);
}
