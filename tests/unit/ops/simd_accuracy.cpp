// Largest error of the vector functions in units of the last place, one line per function, type and instruction set.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <random>
#include <type_traits>

template <class T, class F>
double worst(F apply, long double (*exact)(long double), T low, T high, bool logarithmic) {
  std::mt19937_64 random(0);
  std::uniform_real_distribution<double> uniform(0, 1);
  double most = 0;
  for (int i = 0; i < 400000; ++i) {
    const double u = uniform(random);
    const T x = T(logarithmic ? std::exp(std::log(double(low)) + u * (std::log(double(high)) - std::log(double(low))))
                              : low + u * (double(high) - low));
    const long double right = exact(x);
    const T y = apply(x), near = std::abs(T(right));
    const T unit = std::nextafter(near, std::numeric_limits<T>::infinity()) - near;
    const double error = std::abs(double((y - right) / unit));
    if (!(error <= most)) most = std::isnan(error) ? 1e30 : error;
  }
  return most;
}

static long double exact_exp(long double x) { return std::exp(x); }
static long double exact_log(long double x) { return std::log(x); }

#define CHECK(NAME, FLOAT)                                                                                           \
  static T exp_of(T x) { return exp(broadcast(x))[0]; }                              \
  static T log_of(T x) { return log(broadcast(x))[0]; }                              \
  static void report() {                                                                                             \
    std::printf(#NAME " " #FLOAT " exp %g\n", worst<T>(exp_of, exact_exp, EXP_LOW, EXP_HIGH, false));                \
    std::printf(#NAME " " #FLOAT " exp near 0 %g\n", worst<T>(exp_of, exact_exp, T(-1), T(1), false));               \
    std::printf(#NAME " " #FLOAT " log %g\n",                                                                        \
                worst<T>(log_of, exact_log, std::numeric_limits<T>::min(), std::numeric_limits<T>::max() / 2, true)); \
    std::printf(#NAME " " #FLOAT " log near 1 %g\n", worst<T>(log_of, exact_log, T(0.5), T(2), false));              \
    const T inf = std::numeric_limits<T>::infinity();                                                                \
    const bool limits = exp_of(-inf) == 0 && exp_of(EXP_LOW * T(1.01)) == 0 && exp_of(0) == 1 && log_of(1) == 0 &&   \
                        std::isfinite(exp_of(inf)) && std::isnan(exp_of(std::nan("")));                              \
    std::printf(#NAME " " #FLOAT " limits %d\n", limits ? 0 : 9);                                                    \
  }

#define OTSEG_BYTES 16
namespace baseline_float { using T = float;
#include "simd.h"
}
namespace baseline_double { using T = double;
#include "simd.h"
}
namespace baseline_float { CHECK(baseline, float) }
namespace baseline_double { CHECK(baseline, double) }
#undef OTSEG_BYTES

#if defined(__x86_64__) && !defined(__clang__)
#define OTSEG_BYTES 32
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2_float { using T = float;
#include "simd.h"
CHECK(avx2, float)
}
namespace avx2_double { using T = double;
#include "simd.h"
CHECK(avx2, double)
}
#pragma GCC pop_options
#undef OTSEG_BYTES
#endif

int main() {
  baseline_float::report();
  baseline_double::report();
#if defined(__x86_64__) && !defined(__clang__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    avx2_float::report();
    avx2_double::report();
  }
#endif
}
