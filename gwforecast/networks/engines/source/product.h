/* Matrix products in tiles that stay in registers.

c[r][v] = start[r][v] + sum over k of a[r * a_row + k * a_step] * w[k][v], in the order of k, so that
an element does not depend on the tile that it is in. Columns are counted in vectors of LANES. */

#ifndef GWFORECAST_PRODUCT_H
#define GWFORECAST_PRODUCT_H

#include "lanes.h"

#if defined(__AVX512F__) || defined(__aarch64__) /* 32 registers */
#define WIDE 4
#define MOST_ROWS 6
#else /* 16 registers */
#define WIDE 2
#define MOST_ROWS 5
#endif

typedef struct {
    const float *start;
    long start_row; /* 0 for one row, such as a bias, for all */
    const float *a;
    long a_row, a_step;
    const float *w;
    long w_row;
    long n;
} Product;

#define TILE(R, V)                                                                                 \
    static void tile_##R##_##V(float *c, long c_row, const Product *p) {                           \
        Lanes sum[R][V];                                                                           \
        const float *a = p->a, *w = p->w;                                                          \
        const long a_row = p->a_row, a_step = p->a_step, w_row = p->w_row;                         \
        _Pragma("GCC unroll 8") for (int r = 0; r < R; r++)                                        \
            _Pragma("GCC unroll 8") for (int v = 0; v < V; v++)                                    \
                sum[r][v] = load(p->start + r * p->start_row + v * LANES);                         \
        for (long k = 0; k < p->n; k++, a += a_step, w += w_row) {                                 \
            Lanes of_w[V];                                                                         \
            _Pragma("GCC unroll 8") for (int v = 0; v < V; v++) of_w[v] = load(w + v * LANES);     \
            _Pragma("GCC unroll 8") for (int r = 0; r < R; r++) {                                  \
                Lanes x = all(a[r * a_row]);                                                       \
                _Pragma("GCC unroll 8") for (int v = 0; v < V; v++) sum[r][v] += x * of_w[v];      \
            }                                                                                      \
        }                                                                                          \
        _Pragma("GCC unroll 8") for (int r = 0; r < R; r++)                                        \
            _Pragma("GCC unroll 8") for (int v = 0; v < V; v++)                                    \
                store(c + r * c_row + v * LANES, sum[r][v]);                                       \
    }
#define TILES(V) TILE(1, V) TILE(2, V) TILE(3, V) TILE(4, V) TILE(5, V)
#define NAMES(V) tile_1_##V, tile_2_##V, tile_3_##V, tile_4_##V, tile_5_##V

typedef void Tile(float *, long, const Product *);

TILES(1) TILES(2)
#if WIDE == 4
TILES(3) TILES(4)
TILE(6, 1) TILE(6, 2) TILE(6, 3) TILE(6, 4)
static Tile *const tiles[4][6] = {
    {NAMES(1), tile_6_1}, {NAMES(2), tile_6_2}, {NAMES(3), tile_6_3}, {NAMES(4), tile_6_4}};
#else
static Tile *const tiles[2][5] = {{NAMES(1)}, {NAMES(2)}};
#endif

/* c has rows and columns (a multiple of LANES); w is as pack() orders it if block is its n * WIDE *
LANES, or a plain matrix if block is WIDE * LANES. */
static void product(float *c, long c_row, Product p, long rows, long columns, long block) {
    const long vectors = columns / LANES;
    const float *a = p.a, *start = p.start;
    for (long v = 0; v < vectors; v += WIDE) {
        const long wide = vectors - v < WIDE ? vectors - v : WIDE;
        long left = rows;
        for (long r = 0; r < rows;) {
            const long groups = (left + MOST_ROWS - 1) / MOST_ROWS;
            const long high = (left + groups - 1) / groups;
            p.a = a + r * p.a_row;
            p.start = start + r * p.start_row + v * LANES;
            tiles[wide - 1][high - 1](c + r * c_row + v * LANES, c_row, &p);
            r += high;
            left -= high;
        }
        p.w += block;
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

static long packed_size(long n, long columns) {
    return n * ((columns + WIDE * LANES - 1) / (WIDE * LANES)) * WIDE * LANES;
}

#endif
