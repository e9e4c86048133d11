// otseg::viterbi on the CPU: the best paths of a batch in one call. The reference is otseg/ops/viterbi.py.
//
// A frame tries the states before in order, for a few vectors of the states that they lead to at once, and keeps the
// first of the best: the same sums in the same precision and the same ties as the reference, so that every path is its
// path. Two kinds of chain need not try them all. Where going to any other state scores the same (a price for
// switching), the best state before stands for all others: O(K) per frame. Where a state follows few others (a
// transcript), only these are tried: the rows that lead to a group of columns at all.
//
// Back-pointers take the smallest integer type that holds a state. Masked frames are never looked at.

#if !defined(__GNUC__)
#error "The kernels need GCC or Clang."
#endif

#include "common.h"
#include "cpu_features.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace otseg {
namespace {

struct Batch {
  const void *scores, *transition, *initial, *final;  // the last two may be null
  const bool* mask;                                   // may be null
  int64_t n, k, strides[3], chain_strides[3];
  int64_t* path;
  void* value;
};

#define OTSEG_LOOP "viterbi_loop.h"
#include "targets.h"

std::tuple<Tensor, Tensor> viterbi(const Tensor& scores, const Tensor& transition, const std::optional<Tensor>& initial,
                                   const std::optional<Tensor>& final, const std::optional<Tensor>& mask) {
  using torch::headeronly::ScalarType;
  const auto dtype = scores.scalar_type();
  STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::Double, "`scores` must be float32 or float64.");
  STD_TORCH_CHECK(scores.dim() == 3 && scores.size(2) > 0, "`scores` must be of shape (B, N, K).");
  const int64_t size = scores.size(0), n = scores.size(1), k = scores.size(2);
  const bool shared = transition.dim() == 3 && transition.size(0) == 1;
  check_shape("transition", transition, {shared ? 1 : size, k, k});
  check_like("transition", transition, scores, "scores");
  std::optional<Tensor> dense[3];
  if (initial) {
    check_shape("initial", *initial, {size, k});
    check_like("initial", *initial, scores, "scores");
    dense[0] = packed(*initial);
  }
  if (final) {
    check_shape("final", *final, {size, k});
    check_like("final", *final, scores, "scores");
    dense[1] = packed(*final);
  }
  if (mask) {
    check_shape("mask", *mask, {size, n});
    STD_TORCH_CHECK(mask->is_cpu() && mask->scalar_type() == ScalarType::Bool, "`mask` must be boolean, on the CPU.");
    dense[2] = packed(*mask);
  }
  const auto data = [](const std::optional<Tensor>& x) -> const void* { return x ? x->data_ptr() : nullptr; };
  Tensor path = torch::stable::new_empty(scores, {size, n}, ScalarType::Long);
  Tensor value = torch::stable::new_empty(scores, {size});
  const Batch batch = {scores.data_ptr(), transition.data_ptr(), data(dense[0]), data(dense[1]),
                       static_cast<const bool*>(data(dense[2])), n, k,
                       {scores.stride(0), scores.stride(1), scores.stride(2)},
                       {shared ? 0 : transition.stride(0), transition.stride(1), transition.stride(2)},
                       static_cast<int64_t*>(path.data_ptr()), value.data_ptr()};
  const auto decode = OTSEG_BEST(decode_range, dtype);
  torch::stable::parallel_for(0, size, std::max<int64_t>(1, 4096 / std::max<int64_t>(1, n * k)),
                              [&](int64_t begin, int64_t end) { decode(batch, begin, end); });
  return {value, path};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(otseg, CPU, m) { m.impl("viterbi", TORCH_BOX(&viterbi)); }

}  // namespace otseg
