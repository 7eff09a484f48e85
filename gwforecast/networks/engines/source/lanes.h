/* Vectors of floats of the machine's width, by the vector extensions of GCC and Clang.

Each function is an operation on all lanes. The same source is compiled once for each instruction
set; only LANES differs. */

#ifndef GWFORECAST_LANES_H
#define GWFORECAST_LANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

#define ROUNDED(n) (((n) + 15) / 16 * 16) /* sizes are multiples of 16 on every machine */
#define INLINE static inline __attribute__((always_inline))

typedef float Lanes __attribute__((vector_size(4 * LANES)));
typedef uint32_t Bits __attribute__((vector_size(4 * LANES)));
typedef float Loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE Lanes load(const float *from) { return *(const Loose *)from; }
INLINE void store(float *to, Lanes x) { *(Loose *)to = x; }
INLINE Lanes all(float x) { return x - (Lanes){0}; }
INLINE Lanes chosen(Bits mask, Lanes a, Lanes b) { return (Lanes)((mask & (Bits)a) | (~mask & (Bits)b)); }

/* NaN in x is kept. */
INLINE Lanes bounded(Lanes x, float low, float high) {
#if defined(__AVX512F__)
    return (Lanes)_mm512_min_ps((__m512)all(high), _mm512_max_ps((__m512)all(low), (__m512)x));
#elif defined(__AVX2__)
    return (Lanes)_mm256_min_ps((__m256)all(high), _mm256_max_ps((__m256)all(low), (__m256)x));
#else
    x = chosen((Bits)(x < all(low)), all(low), x);
    return chosen((Bits)(x > all(high)), all(high), x);
#endif
}

/* Treat numbers below 1e-38 as zero, as vanishing gradients are: they would take a hundred times as
long. Return the state to be given to restore_tiny(). */
static uint64_t ignore_tiny(void) {
    uint64_t state = 0;
#if defined(__x86_64__)
    state = _mm_getcsr();
    _mm_setcsr((unsigned)state | 0x8040u);
#elif defined(__aarch64__)
    __asm__ volatile("mrs %0, fpcr" : "=r"(state));
    __asm__ volatile("msr fpcr, %0" : : "r"(state | (1u << 24)));
#endif
    return state;
}

static void restore_tiny(uint64_t state) {
#if defined(__x86_64__)
    _mm_setcsr((unsigned)state);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(state));
#else
    (void)state;
#endif
}

INLINE Lanes root(Lanes x) {
#if defined(__AVX512F__)
    return (Lanes)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
    return (Lanes)_mm256_sqrt_ps((__m256)x);
#else
    for (int i = 0; i < LANES; i++) x[i] = sqrtf(x[i]);
    return x;
#endif
}

/* 2^x for |x| < 120, relative error 2e-7 (coefficients of the Cephes library, exp2f). */
INLINE Lanes power_of_two(Lanes x) {
    const float magic = 12582912.0f; /* adding 1.5 * 2^23 rounds to a whole number */
    Lanes shifted = x + magic;
    Lanes f = x - (shifted - magic);
    Lanes p = all(1.535336188319500e-4f);
    p = p * f + 1.339887440266574e-3f;
    p = p * f + 9.618437357674640e-3f;
    p = p * f + 5.550332471162809e-2f;
    p = p * f + 2.402264791363012e-1f;
    p = p * f + 6.931472028550421e-1f;
    p = p * f + 1.0f;
    return (Lanes)((Bits)p + ((Bits)shifted << 23));
}

/* 1 / x for 2^-120 < x < 2^120, to the last bit or two. */
INLINE Lanes inverse(Lanes x) {
#if defined(__AVX512F__) /* a step of Newton's is much faster than a division of this width */
    Lanes y = (Lanes)_mm512_rcp14_ps((__m512)x);
    return y + y * (1.0f - x * y);
#else
    return 1.0f / x;
#endif
}

#define LOG2E 1.44269504088896341f
#define STEEP 28.0f /* 2^-28: where the logistic function is flat to single precision */

/* exp(-x), limited so that four of them plus one multiply without overflow */
INLINE Lanes decay(Lanes x) { return power_of_two(bounded(x * -LOG2E, -STEEP, STEEP)); }

INLINE Lanes logistic(Lanes x) { return inverse(1.0f + decay(x)); }
INLINE Lanes hyperbolic(Lanes x) { return 2.0f * logistic(2.0f * x) - 1.0f; }

/* Natural logarithm of 0 < x <= 1, absolute error 1e-6 (coefficients of Cephes, logf). */
INLINE Lanes logarithm(Lanes x) {
    Bits bits = (Bits)x;
    /* mantissa in [sqrt(1/2), sqrt(2)) */
    Bits shifted = bits - 0x3f3504f3u;
    Bits exponent = shifted & 0xff800000u;
    Lanes f = (Lanes)(bits - exponent) - 1.0f;
    Lanes e = __builtin_convertvector(
        (int32_t __attribute__((vector_size(4 * LANES))))exponent >> 23, Lanes);
    Lanes p = all(7.0376836292e-2f);
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    return f + (p * f - 0.5f) * f * f + e * 0.69314718056f;
}

/* Sum of 16 partial sums in an order that is the same for every width: by halves. */
INLINE float total(const Lanes *partial) {
    float s[16] __attribute__((aligned(64)));
    memcpy(s, partial, sizeof s);
    for (int i = 0; i < 8; i++) s[i] += s[i + 8];
    for (int i = 0; i < 4; i++) s[i] += s[i + 4];
    return (s[0] + s[2]) + (s[1] + s[3]);
}

INLINE float dot(const float *a, const float *b, long n) { /* n a multiple of 16 */
    Lanes sums[16 / LANES] = {{0}};
    for (long i = 0; i < n; i += 16)
        for (int v = 0; v < 16 / LANES; v++)
            sums[v] += load(a + i + v * LANES) * load(b + i + v * LANES);
    return total(sums);
}

#endif
