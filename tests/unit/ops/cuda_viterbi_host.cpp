// The CUDA kernel of otseg::viterbi on the host, for test_cuda_viterbi.py.

#include "cuda_host.h"

#include "viterbi_plan.cuh"

namespace {

using namespace otseg;

struct Machine {
  int64_t multiprocessors, shared, order;
};

template <class T>
int decode(const Machine* machine, const int64_t* sizes, const T* const* in, const bool* mask, int64_t* path,
           T* value) {
  Viterbi<T> args = {};
  args.problems = sizes[0];
  args.n = sizes[1];
  args.k = int(sizes[2]);
  for (int axis = 0; axis < 3; ++axis) {
    args.strides[axis] = sizes[3 + axis];
    args.chain_strides[axis] = sizes[6 + axis];
  }
  args.scores = in[0];
  args.transition = in[1];
  args.initial = in[2];
  args.final = in[3];
  args.mask = mask;
  args.path = path;
  args.value = value;
  const Device device = {int(machine->multiprocessors), size_t(machine->shared), false};
  const auto resident = [](bool, int, size_t) { return 1; };
  const ViterbiPlan plan = plan_viterbi<T>(args.problems, args.n, args.k, device, resident);
  std::vector<unsigned char> work(plan.bytes(), 0xff);
  apply(plan, work.data(), args);
  host::launch(plan.blocks, plan.threads, plan.memory, int(machine->order), [&] {
    if (plan.few)
      viterbi_kernel<T, true>(args);
    else
      viterbi_kernel<T, false>(args);
  });
  return plan.blocks * 10 + plan.shared_chain;
}

}  // namespace

// Ten times the number of blocks, plus 1 where transitions were kept in shared memory.
extern "C" int viterbi_float(const Machine* machine, const int64_t* sizes, const float* const* in, const bool* mask,
                             int64_t* path, float* value) {
  return decode(machine, sizes, in, mask, path, value);
}
extern "C" int viterbi_double(const Machine* machine, const int64_t* sizes, const double* const* in, const bool* mask,
                              int64_t* path, double* value) {
  return decode(machine, sizes, in, mask, path, value);
}
