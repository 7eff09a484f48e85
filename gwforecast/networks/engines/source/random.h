/* Random numbers of a job: sixteen streams of xoshiro128++ (Blackman and Vigna 2021,
doi:10.1145/3460772), one for each lane, seeded by splitmix64. They do not depend on the width of
the machine's vectors. */

#ifndef GWFORECAST_RANDOM_H
#define GWFORECAST_RANDOM_H

#include "lanes.h"

typedef struct {
    uint32_t state[4][16] __attribute__((aligned(64)));
} Random;

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void seed_random(Random *random, uint64_t seed) {
    uint64_t state = seed;
    for (int lane = 0; lane < 16; lane++)
        for (int word = 0; word < 4; word += 2) {
            uint64_t bits = splitmix(&state);
            random->state[word][lane] = (uint32_t)bits;
            random->state[word + 1][lane] = (uint32_t)(bits >> 32) | 1u; /* never all zero */
        }
}

INLINE Bits rotated(Bits x, int by) { return (x << by) | (x >> (32 - by)); }

/* Advance the streams of some lanes. */
INLINE Bits draw(Random *random, int vector) {
    Bits *s[4];
    for (int i = 0; i < 4; i++) s[i] = (Bits *)(random->state[i] + vector * LANES);
    Bits result = rotated(*s[0] + *s[3], 7) + *s[0];
    Bits t = *s[1] << 9;
    *s[2] ^= *s[0];
    *s[3] ^= *s[1];
    *s[1] ^= *s[2];
    *s[0] ^= *s[3];
    *s[2] ^= t;
    *s[3] = rotated(*s[3], 11);
    return result;
}

/* Add normal numbers with a standard deviation to n values, n a multiple of 32 (Box and Muller
1958, doi:10.1214/aoms/1177706645). The angle is drawn within an eighth of a turn around an axis;
random bits choose axis and signs. */
static void add_normal(Random *random, float *values, long n, float deviation) {
    for (long i = 0; i < n; i += 32)
        for (int v = 0; v < 16 / LANES; v++) {
            Bits first = draw(random, v), second = draw(random, v);
            /* 23 bits, of which the mean is never 0 */
            Lanes u = (Lanes)((first >> 9) | 0x3f800000u) - (1.0f - 0x1p-24f);
            Lanes radius = root(-2.0f * logarithm(u)) * deviation;
            Lanes a = ((Lanes)((second >> 9) | 0x3f800000u) - (1.5f - 0x1p-24f)) * 1.5707963268f;
            Lanes q = a * a;
            Lanes sine = ((-1.9515295891e-4f * q + 8.3321608736e-3f) * q - 1.6666654611e-1f) * q * a + a;
            Lanes cosine = ((2.443315711809948e-5f * q - 1.388731625493765e-3f) * q
                            + 4.166664568298827e-2f) * q * q - 0.5f * q + 1.0f;
            Bits swap = 0u - (first & 1u);
            Lanes x = chosen(swap, sine, cosine), y = chosen(swap, cosine, sine);
            x = (Lanes)((Bits)x ^ ((first << 30) & 0x80000000u));
            y = (Lanes)((Bits)y ^ ((first << 29) & 0x80000000u));
            float *at = values + i + v * LANES;
            store(at, load(at) + radius * x);
            store(at + 16, load(at + 16) + radius * y);
        }
}

/* Set n factors, n a multiple of 16, to 0 with a probability, otherwise to 1 / (1 - probability). */
static void draw_dropout(Random *random, float *factors, long n, float probability) {
    uint32_t limit = (uint32_t)(probability * 4294967296.0);
    float kept = 1.0f / (1.0f - probability);
    for (long i = 0; i < n; i += 16)
        for (int v = 0; v < 16 / LANES; v++) {
            Bits mask = (Bits)(draw(random, v) >= (limit - (Bits){0}));
            store(factors + i + v * LANES, (Lanes)(mask & (Bits)all(kept)));
        }
}

#endif
