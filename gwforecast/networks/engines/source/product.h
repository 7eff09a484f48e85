/* Matrix products in tiles that stay in registers.

c[r][v] = start[r][v] + sum over k of a[r * a_row + k * a_step] * w[k][v], for one or two pairs of a
and w, in the order of k, so that an element does not depend on the tile that it is in. Columns are
counted in vectors of LANES. */

#ifndef GWFORECAST_PRODUCT_H
#define GWFORECAST_PRODUCT_H

#include "lanes.h"

/* Vectors of a tile, and most rows of tiles of so many vectors: as many sums as registers can hold,
and enough to hide the time that an addition takes. */
#if defined(__AVX512F__) || defined(__aarch64__) /* 32 registers */
#define WIDE 4
static const int most_rows[] = {8, 8, 6, 6};
#else /* 16 registers */
#define WIDE 2
static const int most_rows[] = {8, 5};
#endif

typedef struct {
    const float *a;
    long a_row, a_step;
    const float *w;
    long w_row, w_block; /* floats to the next row, and to the next WIDE vectors */
    long n;
} Factor;

typedef struct {
    const float *start;
    long start_row; /* 0 for one row, such as a bias, for all */
    int factors;
    Factor factor[2];
} Product;

#define UNROLLED _Pragma("GCC unroll 8")
#define TILE(R, V)                                                                                 \
    static void tile_##R##_##V(float *c, long c_row, const Product *p) {                           \
        Lanes sum[R][V];                                                                           \
        UNROLLED for (int r = 0; r < R; r++)                                                       \
            UNROLLED for (int v = 0; v < V; v++)                                                   \
                sum[r][v] = load(p->start + r * p->start_row + v * LANES);                         \
        for (int f = 0; f < p->factors; f++) {                                                     \
            const float *a = p->factor[f].a, *w = p->factor[f].w;                                  \
            const long a_row = p->factor[f].a_row, a_step = p->factor[f].a_step;                   \
            const long w_row = p->factor[f].w_row, n = p->factor[f].n;                             \
            for (long k = 0; k < n; k++, a += a_step, w += w_row) {                                \
                Lanes of_w[V];                                                                     \
                UNROLLED for (int v = 0; v < V; v++) of_w[v] = load(w + v * LANES);                \
                UNROLLED for (int r = 0; r < R; r++) {                                             \
                    Lanes x = all(a[r * a_row]);                                                   \
                    UNROLLED for (int v = 0; v < V; v++) sum[r][v] += x * of_w[v];                 \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        UNROLLED for (int r = 0; r < R; r++)                                                       \
            UNROLLED for (int v = 0; v < V; v++) store(c + r * c_row + v * LANES, sum[r][v]);      \
    }
#define TILES(V) TILE(1, V) TILE(2, V) TILE(3, V) TILE(4, V) TILE(5, V)
#define NAMES(V) tile_1_##V, tile_2_##V, tile_3_##V, tile_4_##V, tile_5_##V

typedef void Tile(float *, long, const Product *);

TILES(1) TILES(2) TILE(6, 1) TILE(7, 1) TILE(8, 1)
#if WIDE == 4
TILES(3) TILES(4) TILE(6, 2) TILE(7, 2) TILE(8, 2) TILE(6, 3) TILE(6, 4)
#endif

static Tile *const tiles[WIDE][8] = {
    {NAMES(1), tile_6_1, tile_7_1, tile_8_1},
#if WIDE == 4
    {NAMES(2), tile_6_2, tile_7_2, tile_8_2}, {NAMES(3), tile_6_3}, {NAMES(4), tile_6_4}
#else
    {NAMES(2)}
#endif
};

/* c has rows and columns, a multiple of LANES. */
static void product(float *c, long c_row, Product p, long rows, long columns) {
    const long vectors = columns / LANES;
    const Product whole = p;
    for (long v = 0; v < vectors; v += WIDE) {
        const long wide = vectors - v < WIDE ? vectors - v : WIDE, most = most_rows[wide - 1];
        long left = rows;
        for (long r = 0; r < rows;) {
            const long groups = (left + most - 1) / most, high = (left + groups - 1) / groups;
            for (int f = 0; f < p.factors; f++)
                p.factor[f].a = whole.factor[f].a + r * p.factor[f].a_row;
            p.start = whole.start + r * p.start_row + v * LANES;
            tiles[wide - 1][high - 1](c + r * c_row + v * LANES, c_row, &p);
            r += high;
            left -= high;
        }
        for (int f = 0; f < p.factors; f++) p.factor[f].w += p.factor[f].w_block;
    }
}

/* Order w (n, columns) by blocks of WIDE vectors, so that a tile reads it from end to end. */
static void pack(float *packed, const float *w, long n, long columns, long w_row) {
    for (long first = 0; first < columns; first += WIDE * LANES) {
        const long width = columns - first < WIDE * LANES ? columns - first : WIDE * LANES;
        for (long k = 0; k < n; k++, packed += WIDE * LANES)
            memcpy(packed, w + k * w_row + first, width * sizeof(float));
    }
}

/* A factor whose w was packed. */
INLINE Factor packed_factor(const float *a, long a_row, const float *w, long n) {
    return (Factor){a, a_row, 1, w, WIDE * LANES, n * WIDE * LANES, n};
}

static long packed_size(long n, long columns) {
    return n * ((columns + WIDE * LANES - 1) / (WIDE * LANES)) * WIDE * LANES;
}

#endif
