// The CUDA kernels of otseg::sinkhorn_adjoint on the host, for test_cuda_adjoint.py.

#include "cuda_host.h"

#include "sinkhorn_adjoint_plan.cuh"

namespace {

using namespace otseg;

struct Machine {
  int64_t shared, order;
};

// `sizes` is of problems, rows and columns, then strides of score and gradient; rows are the larger side.
template <class T>
int differentiate(const Machine* machine, const int64_t* sizes, const T* const* in, int wants_tau, T* const* out) {
  Adjoint<T> args = {};
  args.problems = sizes[0];
  args.n = sizes[1];
  args.k = int(sizes[2]);
  for (int axis = 0; axis < 3; ++axis) {
    args.strides[axis] = sizes[3 + axis];
    args.out_strides[axis] = sizes[6 + axis];
  }
  args.score = in[0];
  args.rows = {in[1], in[3], in[5], in[7], out[1], out[3]};
  args.columns = {in[2], in[4], in[6], in[8], out[2], out[4]};
  args.out = out[0];
  args.wants_tau = wants_tau;
  const AdjointPlan plan = plan_adjoint<T>(args.problems, args.n, args.k, {1, size_t(machine->shared), false});
  std::vector<unsigned char> work(plan.bytes(), 0xff);
  apply(plan, work.data(), args);
  launch_adjoint<T>(plan, [&](auto* kernel, int64_t blocks, size_t memory) {
    host::launch(unsigned(blocks), ADJOINT_THREADS, memory, int(machine->order), [&] { kernel(args); });
  });
  return plan.chunks * 10 + plan.shared_matrix;
}

}  // namespace

// Ten times the number of chunks, plus 1 where the matrix was kept in shared memory.
extern "C" int adjoint_float(const Machine* machine, const int64_t* sizes, const float* const* in, int wants_tau,
                             float* const* out) {
  return differentiate(machine, sizes, in, wants_tau, out);
}
extern "C" int adjoint_double(const Machine* machine, const int64_t* sizes, const double* const* in, int wants_tau,
                              double* const* out) {
  return differentiate(machine, sizes, in, wants_tau, out);
}
