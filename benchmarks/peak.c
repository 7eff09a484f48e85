/* The largest number of multiplications and additions of a core: independent sums in registers. */

#include "../gwforecast/networks/engines/source/lanes.h"

#define SUMS 12 /* more than the latency times the units, fewer than the registers */

int64_t operations_of_a_step(void) { return 2 * SUMS * LANES; }

float multiply_and_add(int64_t steps) {
    Lanes sum[SUMS], by = all(0.999f), more = all(0.001f);
    for (int i = 0; i < SUMS; i++) sum[i] = all((float)i);
    for (int64_t k = 0; k < steps; k++) {
        _Pragma("GCC unroll 12") for (int i = 0; i < SUMS; i++) sum[i] = sum[i] * by + more;
    }
    for (int i = 1; i < SUMS; i++) sum[0] += sum[i];
    return sum[0][0];
}
