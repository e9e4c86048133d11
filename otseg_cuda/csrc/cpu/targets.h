// Includes the file OTSEG_LOOP once per type and instruction set, after simd.h, inside of a namespace such as
// avx2::single (float) or avx2::twofold (double) that defines T; OTSEG_BEST(name, dtype) then is the address of the
// function `name` of that file for the best instruction set of this CPU. Included once per kernel, inside of its own
// anonymous namespace.
//
// Functions inside of a copy are no templates: the compiler's target is that of the place where a function is written,
// not of the place where it is instantiated. Needs cpu_features.h.

#define OTSEG_BYTES 16
namespace baseline {
namespace single {
using T = float;
#include "simd.h"
#include OTSEG_LOOP
}  // namespace single
namespace twofold {
using T = double;
#include "simd.h"
#include OTSEG_LOOP
}  // namespace twofold
}  // namespace baseline
#undef OTSEG_BYTES

#define OTSEG_OF(target, name, dtype) \
  ((dtype) == torch::headeronly::ScalarType::Float ? target::single::name : target::twofold::name)

#if defined(__x86_64__)

#define OTSEG_BYTES 32
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace avx2 {
namespace single {
using T = float;
#include "simd.h"
#include OTSEG_LOOP
}  // namespace single
namespace twofold {
using T = double;
#include "simd.h"
#include OTSEG_LOOP
}  // namespace twofold
}  // namespace avx2
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#undef OTSEG_BYTES

#define OTSEG_BYTES 64
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,fma")
#endif
namespace avx512 {
namespace single {
using T = float;
#include "simd.h"
#include OTSEG_LOOP
}  // namespace single
namespace twofold {
using T = double;
#include "simd.h"
#include OTSEG_LOOP
}  // namespace twofold
}  // namespace avx512
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#undef OTSEG_BYTES

#define OTSEG_BEST(name, dtype)                          \
  (has_avx512() ? OTSEG_OF(avx512, name, dtype)          \
                : has_avx2() ? OTSEG_OF(avx2, name, dtype) : OTSEG_OF(baseline, name, dtype))

#else

#define OTSEG_BEST(name, dtype) OTSEG_OF(baseline, name, dtype)

#endif
