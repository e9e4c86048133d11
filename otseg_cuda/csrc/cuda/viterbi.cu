// otseg::viterbi on CUDA: the best paths of a batch in one launch. The reference is otseg/ops/viterbi.py.

#include "launch.cuh"
#include "viterbi_plan.cuh"

#include <algorithm>
#include <optional>
#include <tuple>

namespace otseg {
namespace {

using torch::headeronly::ScalarType;

template <class T>
const T* data(const std::optional<Tensor>& x) {
  return x ? static_cast<const T*>(x->data_ptr()) : nullptr;
}

template <class T>
const void* kernel_of(bool few) {
  return few ? reinterpret_cast<const void*>(&viterbi_kernel<T, true>)
             : reinterpret_cast<const void*>(&viterbi_kernel<T, false>);
}

template <class T>
void decode(const Tensor& scores, const Tensor& transition, const std::optional<Tensor>* dense, const Tensor& path,
            const Tensor& value) {
  Viterbi<T> args = {};
  args.scores = static_cast<const T*>(scores.data_ptr());
  args.transition = static_cast<const T*>(transition.data_ptr());
  args.initial = data<T>(dense[0]);
  args.final = data<T>(dense[1]);
  args.mask = data<bool>(dense[2]);
  for (int axis = 0; axis < 3; ++axis) {
    args.strides[axis] = scores.stride(axis);
    args.chain_strides[axis] = transition.stride(axis);
  }
  if (transition.size(0) == 1) args.chain_strides[0] = 0;
  args.problems = scores.size(0);
  args.n = scores.size(1);
  args.k = int(scores.size(2));
  args.path = static_cast<int64_t*>(path.data_ptr());
  args.value = static_cast<T*>(value.data_ptr());
  const Device device = device_of(kernel_of<T>(args.k <= FEW_STATES));
  const auto resident = [](bool few, int threads, size_t memory) {
    return resident_blocks(kernel_of<T>(few), threads, memory);
  };
  const ViterbiPlan plan = plan_viterbi<T>(args.problems, args.n, args.k, device, resident);
  STD_TORCH_CHECK(plan.blocks >= 1, "`scores` has too many states for this device.");
  const Tensor work = torch::stable::new_empty(scores, {int64_t(plan.bytes())}, ScalarType::Byte);
  apply(plan, static_cast<unsigned char*>(work.data_ptr()), args);
  launch_teams(kernel_of<T>(plan.few), plan.blocks, 1, plan.threads, plan.memory, false, current_stream(scores), &args);
}

std::tuple<Tensor, Tensor> viterbi(const Tensor& scores, const Tensor& transition, const std::optional<Tensor>& initial,
                                   const std::optional<Tensor>& final, const std::optional<Tensor>& mask) {
  const auto dtype = scores.scalar_type();
  STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::Double, "`scores` must be float32 or float64.");
  STD_TORCH_CHECK(scores.dim() == 3 && scores.size(2) > 0, "`scores` must be of shape (B, N, K).");
  const int64_t size = scores.size(0), n = scores.size(1), k = scores.size(2);
  STD_TORCH_CHECK(std::max({size, n, k}) < (int64_t(1) << 30), "`scores` must have fewer than 2^30 of each.");
  check_beside("scores", scores, scores, "scores");
  const bool shared = transition.dim() == 3 && transition.size(0) == 1;
  check_shape("transition", transition, {shared ? 1 : size, k, k});
  check_beside("transition", transition, scores, "scores");
  std::optional<Tensor> dense[3];
  const torch::stable::accelerator::DeviceGuard guard(scores.get_device());
  if (initial) {
    check_shape("initial", *initial, {size, k});
    check_beside("initial", *initial, scores, "scores");
    dense[0] = packed(*initial);
  }
  if (final) {
    check_shape("final", *final, {size, k});
    check_beside("final", *final, scores, "scores");
    dense[1] = packed(*final);
  }
  if (mask) {
    check_shape("mask", *mask, {size, n});
    STD_TORCH_CHECK(mask->scalar_type() == ScalarType::Bool && mask->get_device() == scores.get_device(),
                    "`mask` must be boolean, on the device of `scores`.");
    dense[2] = packed(*mask);
  }
  Tensor path = torch::stable::new_empty(scores, {size, n}, ScalarType::Long);
  Tensor value = torch::stable::new_empty(scores, {size});
  if (size > 0) {
    if (dtype == ScalarType::Float)
      decode<float>(scores, transition, dense, path, value);
    else
      decode<double>(scores, transition, dense, path, value);
  }
  return {value, path};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(otseg, CUDA, m) { m.impl("viterbi", TORCH_BOX(&viterbi)); }

}  // namespace otseg
