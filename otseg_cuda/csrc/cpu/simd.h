// Vectors of OTSEG_BYTES bytes of the type T, with exp and log. Included once per type and instruction set, inside of a
// namespace that has defined T; hence no include guard.
//
// exp and log are written from their series, or near it: libm's would be calls per element, which compilers do not
// vectorize.

static constexpr int LANES = OTSEG_BYTES / sizeof(T);
using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
using Signed = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
typedef T Vec __attribute__((vector_size(OTSEG_BYTES)));
typedef Bits BitsVec __attribute__((vector_size(OTSEG_BYTES)));
typedef Signed SignedVec __attribute__((vector_size(OTSEG_BYTES)));
typedef int32_t WordVec __attribute__((vector_size(OTSEG_BYTES)));
#define OTSEG_INLINE static inline __attribute__((always_inline))

static constexpr bool SINGLE = sizeof(T) == 4;
static constexpr int MANTISSA = SINGLE ? 23 : 52;
static constexpr Bits BIAS = SINGLE ? 127 : 1023;
static constexpr T MAGIC = SINGLE ? T(12582912.0) : T(6755399441055744.0);  // 1.5 * 2^MANTISSA: adding it rounds
static constexpr T LN2_HIGH = SINGLE ? T(0x1.62e4p-1) : T(0x1.62e42fefa38p-1);  // exact times any exponent
static constexpr T LN2_LOW = SINGLE ? T(0x1.7f7d1cp-20) : T(0x1.ef35793c7673p-45);
static constexpr T EXP_LOW = SINGLE ? T(-87.3) : T(-708.3);  // below it results are 0: no denormal numbers
static constexpr T EXP_HIGH = SINGLE ? T(88.0) : T(709.0);
static constexpr T EXP2_LOW = SINGLE ? T(-125.9) : T(-1021.9), EXP2_HIGH = SINGLE ? T(126.9) : T(1022.9);

OTSEG_INLINE Vec broadcast(T x) { return x - Vec{}; }  // x + 0 would be computed: it is not x for x = -0

OTSEG_INLINE Vec load(const T* p) { return *reinterpret_cast<const Vec*>(p); }
OTSEG_INLINE void store(T* p, Vec x) { *reinterpret_cast<Vec*>(p) = x; }
typedef T UnalignedVec __attribute__((vector_size(OTSEG_BYTES), aligned(sizeof(T)), may_alias));
OTSEG_INLINE Vec load_unaligned(const T* p) { return *reinterpret_cast<const UnalignedVec*>(p); }

// x where the mask (all bits, per lane) is set, y elsewhere.
OTSEG_INLINE Vec select(SignedVec mask, Vec x, Vec y) { return mask ? x : y; }
OTSEG_INLINE Vec maximum(Vec x, Vec y) { return x > y ? x : y; }
OTSEG_INLINE Vec minimum(Vec x, Vec y) { return x < y ? x : y; }
OTSEG_INLINE Vec absolute(Vec x) { return (Vec)((BitsVec)x & (~Bits(0) >> 1)); }

OTSEG_INLINE T sum(Vec x) {
  T total = 0;
  for (int i = 0; i < LANES; ++i) total += x[i];
  return total;
}
OTSEG_INLINE T max(Vec x) {
  T best = x[0];
  for (int i = 1; i < LANES; ++i) best = x[i] > best ? x[i] : best;
  return best;
}

// Running sums of the lanes: shifts by one lane, two, four, ..., counted in words of 4 bytes.
#define OTSEG_SHIFT(x, ...) (Vec)__builtin_shufflevector(WordVec{}, (WordVec)(x), __VA_ARGS__)
OTSEG_INLINE Vec scan(Vec x) {
#if OTSEG_BYTES == 16
  if constexpr (SINGLE) x += OTSEG_SHIFT(x, 0, 4, 5, 6);
  x += OTSEG_SHIFT(x, 0, 1, 4, 5);
#elif OTSEG_BYTES == 32
  if constexpr (SINGLE) x += OTSEG_SHIFT(x, 0, 8, 9, 10, 11, 12, 13, 14);
  x += OTSEG_SHIFT(x, 0, 1, 8, 9, 10, 11, 12, 13);
  x += OTSEG_SHIFT(x, 0, 1, 2, 3, 8, 9, 10, 11);
#elif OTSEG_BYTES == 64
  if constexpr (SINGLE) x += OTSEG_SHIFT(x, 0, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
  x += OTSEG_SHIFT(x, 0, 1, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29);
  x += OTSEG_SHIFT(x, 0, 1, 2, 3, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27);
  x += OTSEG_SHIFT(x, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
#endif
  return x;
}
#undef OTSEG_SHIFT
// The last lane in all of them.
OTSEG_INLINE Vec last(Vec x) { return broadcast(x[LANES - 1]); }

// exp of what is not above EXP_HIGH: 0 below EXP_LOW (minus infinity included), NaN for NaN; within 1 ulp or so.
OTSEG_INLINE Vec exp_below(Vec x) {
  const Vec shifted = x * T(1.44269504088896340736) + MAGIC;
  const Vec n = shifted - MAGIC;
  const Vec r = (x - n * LN2_HIGH) - n * LN2_LOW;  // |r| <= log(2) / 2
  Vec y;  // (exp(r) - 1 - r) / r^2: a polynomial through its Chebyshev points, or its series
  if constexpr (SINGLE) {
    y = broadcast(T(0.00139261835877));
    y = y * r + T(0.00836317905272);
    y = y * r + T(0.0416665546172);
    y = y * r + T(0.166665769897);
  } else {
    y = broadcast(T(1.0 / 6227020800.0));
    y = y * r + T(1.0 / 479001600.0);
    y = y * r + T(1.0 / 39916800.0);
    y = y * r + T(1.0 / 3628800.0);
    y = y * r + T(1.0 / 362880.0);
    y = y * r + T(1.0 / 40320.0);
    y = y * r + T(1.0 / 5040.0);
    y = y * r + T(1.0 / 720.0);
    y = y * r + T(1.0 / 120);
    y = y * r + T(1.0 / 24);
    y = y * r + T(1.0 / 6);
  }
  y = y * r + T(0.5);
  y = y * (r * r) + r + T(1);
  // The low bits of `shifted` are n: they become the exponent.
  const Vec power = (Vec)(((BitsVec)shifted << MANTISSA) + (BIAS << MANTISSA));
  return (Vec)((SignedVec)(y * power) & ~(x < broadcast(EXP_LOW)));
}

// The same, cut above EXP_HIGH.
OTSEG_INLINE Vec exp(Vec x) { return exp_below(minimum(broadcast(EXP_HIGH), x)); }  // in this order it keeps NaN

// 2^x of what is not above EXP2_HIGH: 0 below EXP2_LOW and for NaN; within 1 ulp or so.
OTSEG_INLINE Vec exp2_below(Vec x) {
  const Vec shifted = x + MAGIC, r = x - (shifted - MAGIC);  // |r| <= 1 / 2
  Vec y;  // 2^r: a polynomial through the Chebyshev points of (2^r - 1) / r, or its series
  if constexpr (SINGLE) {
    y = broadcast(T(0.000154531629451));
    y = y * r + T(0.00133908633647);
    y = y * r + T(0.00961808255728);
    y = y * r + T(0.0555035711422);
    y = y * r + T(0.240226507606);
    y = y * r + T(0.693147188026);
  } else {
    y = broadcast(T(1.3691488853904128881e-12));
    y = y * r + T(2.5678435993488205142e-11);
    y = y * r + T(4.4455382718708114976e-10);
    y = y * r + T(7.0549116208011233299e-9);
    y = y * r + T(1.0178086009239699727e-7);
    y = y * r + T(1.3215486790144309488e-6);
    y = y * r + T(0.00001525273380405984028);
    y = y * r + T(0.00015403530393381609954);
    y = y * r + T(0.0013333558146428443423);
    y = y * r + T(0.009618129107628477162);
    y = y * r + T(0.055504108664821579953);
    y = y * r + T(0.24022650695910071233);
    y = y * r + T(0.69314718055994530942);
  }
  y = y * r + T(1);
  // The low bits of `shifted` are the rounded x, which is added to the exponent of y, in [1/sqrt 2, sqrt 2].
  const BitsVec power = (BitsVec)y + ((BitsVec)shifted << MANTISSA);
  return (Vec)((SignedVec)power & (x > broadcast(EXP2_LOW)));
}

// The same, cut above EXP2_HIGH.
OTSEG_INLINE Vec exp2(Vec x) { return exp2_below(minimum(broadcast(EXP2_HIGH), x)); }

// log of a positive normal number, by log m = 2 atanh((m - 1) / (m + 1)) with m in [1/sqrt 2, sqrt 2].
OTSEG_INLINE Vec log(Vec x) {
  constexpr Bits root_half = SINGLE ? Bits(0x3f3504f3u) : Bits(0x3fe6a09e667f3bcdull);
  const BitsVec bits = (BitsVec)x;
  const BitsVec offset = bits - root_half + (BIAS << MANTISSA);
  const BitsVec biased = offset >> MANTISSA;
  const Vec m = (Vec)(bits - ((biased - BIAS) << MANTISSA));
  const Vec e = (Vec)((biased - BIAS) + (Bits)__builtin_bit_cast(Bits, MAGIC)) - MAGIC;
  const Vec d = m - T(1), s = d / (m + T(1)), z = s * s;
  Vec y;
  if constexpr (SINGLE) {
    y = broadcast(T(2.0 / 9));
  } else {
    y = broadcast(T(2.0 / 21));
    y = y * z + T(2.0 / 19);
    y = y * z + T(2.0 / 17);
    y = y * z + T(2.0 / 15);
    y = y * z + T(2.0 / 13);
    y = y * z + T(2.0 / 11);
    y = y * z + T(2.0 / 9);
  }
  y = y * z + T(2.0 / 7);
  y = y * z + T(2.0 / 5);
  y = y * z + T(2.0 / 3);
  // log m = 2 s + s z y, and 2 s = d - s d.
  return e * LN2_HIGH + (d - (s * (d - z * y) - e * LN2_LOW));
}
