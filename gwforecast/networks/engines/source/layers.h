/* Layers over sequences: forward and backward pass.

Values are stored step by step, (step, row, unit), where a row is one sequence of the batch and the
number of units is rounded up to a multiple of 16. The weights of units that are not there are zero,
and so are their states and gradients. */

#ifndef GWFORECAST_LAYERS_H
#define GWFORECAST_LAYERS_H

#include "product.h"

enum { LSTM, GRU, DENSE };
enum { LINEAR, RELU, TANH, SIGMOID };

static const int gates_of[] = {4, 3, 1};

typedef struct {
    int kind, activation, first_layer;
    long inputs, input_row; /* inputs, and floats from one row of them to the next */
    long units, size;       /* size: units rounded up */
    long width;             /* gates times size: floats in a row of gates */
    long d_row;             /* floats from one row of gradients by gates to the next */
    /* weights as padded matrices, packed for products with inputs or states and with gradients */
    float *padded, *bias, *kernel, *recurrent, *candidate;
    float *turned_kernel, *turned_recurrent, *turned_candidate;
    float *d_kernel, *d_recurrent, *d_bias; /* gradients, padded */
    /* of all steps of a batch */
    float *states, *gates, *cells, *shown, *reset, *factors, *fed, *d_fed;
    float *d_gates, *d_state, *d_cell; /* of some steps */
} Layer;

#define CHUNK 64 /* rows of gradients after which they are summed into those of the weights */

typedef struct {
    long steps, rows; /* rows: sequences in this batch */
    long first;       /* step of the first target */
    const float *zeros;
    /* 0 where nothing follows but the next layer: gates and cells of the last step alone are kept,
    and the states before the first step are given */
    long kept;
} Pass;

/* Weights of a layer in the order of Keras: kernel, recurrent kernel, bias. */
static long layer_weights(const Layer *layer) {
    const long columns = gates_of[layer->kind] * layer->units;
    return columns * (layer->inputs + (layer->kind == DENSE ? 0 : layer->units) + 1);
}

static void pad_rows(float *to, const float *from, long n, const Layer *layer) {
    const long gates = gates_of[layer->kind];
    memset(to, 0, n * layer->width * sizeof(float));
    for (long k = 0; k < n; k++)
        for (long g = 0; g < gates; g++)
            memcpy(to + k * layer->width + g * layer->size, from + (k * gates + g) * layer->units,
                   layer->units * sizeof(float));
}

/* Pack the transpose of some columns of a padded matrix (n, columns), for products with gradients;
columns is a multiple of 16. */
static void pack_turned(float *packed, const float *padded, long n, long row, long first,
                        long columns) {
    const long width = WIDE * LANES;
    padded += first;
    for (long k = 0; k < ROUNDED(n); k += 16)
        for (long c = 0; c < columns; c += 16)
            for (long i = k; i < k + 16; i++) {
                float *to = packed + i / width * width * columns + i % width;
                for (long j = c; j < c + 16; j++) to[j * width] = i < n ? padded[i * row + j] : 0;
            }
}

/* The weights of a dense layer have no recurrent kernel. */
static void prepare_layer(Layer *layer, const float *kernel, const float *recurrent,
                          const float *bias, int backward) {
    const long inputs = layer->inputs, units = layer->units, size = layer->size;
    const long width = layer->width;
    pad_rows(layer->padded, kernel, inputs, layer);
    pack(layer->kernel, layer->padded, inputs, width, width);
    if (backward && !layer->first_layer)
        pack_turned(layer->turned_kernel, layer->padded, inputs, width, 0, width);
    if (layer->kind != DENSE) {
        const long joint = layer->kind == LSTM ? width : 2 * size; /* gates by the state itself */
        pad_rows(layer->padded, recurrent, units, layer);
        pack(layer->recurrent, layer->padded, units, joint, width);
        if (backward) pack_turned(layer->turned_recurrent, layer->padded, units, width, 0, joint);
        if (layer->kind == GRU) {
            pack(layer->candidate, layer->padded + joint, units, size, width);
            if (backward)
                pack_turned(layer->turned_candidate, layer->padded, units, width, joint, size);
        }
    }
    pad_rows(layer->bias, bias, 1, layer);
}

static void through_packed(float *c, long c_row, const float *start, long start_row, const float *a,
                           long a_row, const float *w, long rows, long n, long columns) {
    Product p = {start, start_row, 1, {packed_factor(a, a_row, w, n)}};
    product(c, c_row, p, rows, columns);
}

/* Sums that enter the gates at a step: of the inputs, and of the states where there are any. */
static void enter_gates(float *gates, const Layer *layer, const float *x, const float *states,
                        long rows, long columns) {
    Product p = {layer->bias, 0, states ? 2 : 1,
                 {packed_factor(x, layer->input_row, layer->kernel, layer->inputs)}};
    if (states) p.factor[1] = packed_factor(states, layer->size, layer->recurrent, layer->units);
    product(gates, layer->width, p, rows, columns);
}

/* c (k, columns) += transpose of a (n, k) times d (n, columns) */
static void add_outer(float *c, long c_row, const float *a, long a_row, const float *d, long d_row,
                      long k, long n, long columns) {
    Product p = {c, c_row, 1, {{a, 1, a_row, d, d_row, WIDE * LANES, n}}};
    product(c, c_row, p, k, columns);
}

/* Replace the sums that enter the gates of an LSTM by the gates, and find cell and state. */
static void lstm_step(float *gates, const float *before, float *cells, float *shown, float *states,
                      long size) {
    for (long u = 0; u < size; u += LANES) {
        /* one division for four gates: tanh(x) is 2 / (1 + exp(-2x)) - 1 */
        Lanes a = 1.0f + decay(load(gates + u)), b = 1.0f + decay(load(gates + size + u));
        Lanes c = 1.0f + decay(2.0f * load(gates + 2 * size + u));
        Lanes d = 1.0f + decay(load(gates + 3 * size + u));
        Lanes ab = a * b, cd = c * d, of_all = inverse(ab * cd);
        Lanes of_ab = of_all * cd, of_cd = of_all * ab;
        Lanes put = of_ab * b, keep = of_ab * a, fresh = 2.0f * (of_cd * d) - 1.0f, show = of_cd * c;
        Lanes cell = keep * load(before + u) + put * fresh;
        Lanes seen = hyperbolic(cell);
        store(gates + u, put);
        store(gates + size + u, keep);
        store(gates + 2 * size + u, fresh);
        store(gates + 3 * size + u, show);
        store(cells + u, cell);
        store(shown + u, seen);
        store(states + u, show * seen);
    }
}

static void lstm_forward(Layer *layer, const float *x, const Pass *pass) {
    const long size = layer->size, width = layer->width, rows = pass->rows, kept = pass->kept;
    for (long t = 0; t < pass->steps; t++) {
        float *gates = layer->gates + kept * t * rows * width, *states = layer->states + t * rows * size;
        float *cells = layer->cells + kept * t * rows * size;
        float *shown = layer->shown + kept * t * rows * size;
        const int begun = t || !kept;
        enter_gates(gates, layer, x + t * rows * layer->input_row,
                    begun ? states - rows * size : NULL, rows, width);
        for (long r = 0; r < rows; r++)
            lstm_step(gates + r * width, begun ? cells + (r - kept * rows) * size : pass->zeros,
                      cells + r * size, shown + r * size, states + r * size, size);
    }
}

static void gru_forward(Layer *layer, const float *x, const Pass *pass) {
    const long size = layer->size, width = layer->width, rows = pass->rows, kept = pass->kept;
    for (long t = 0; t < pass->steps; t++) {
        float *gates = layer->gates + kept * t * rows * width;
        float *reset = layer->reset + kept * t * rows * size;
        float *states = layer->states + t * rows * size;
        const int begun = t || !kept;
        const float *before = begun ? states - rows * size : pass->zeros;
        const long before_row = begun ? size : 0;
        through_packed(gates, width, layer->bias, 0, x + t * rows * layer->input_row,
                       layer->input_row, layer->kernel, rows, layer->inputs, width);
        if (begun)
            through_packed(gates, width, gates, width, before, size, layer->recurrent, rows,
                           layer->units, 2 * size);
        for (long r = 0; r < rows; r++)
            for (long u = 0; u < size; u += LANES) {
                float *g = gates + r * width + u;
                store(g, logistic(load(g)));
                Lanes taken = logistic(load(g + size));
                store(g + size, taken);
                store(reset + r * size + u, taken * load(before + r * before_row + u));
            }
        if (begun)
            through_packed(gates + 2 * size, width, gates + 2 * size, width, reset, size,
                           layer->candidate, rows, layer->units, size);
        for (long r = 0; r < rows; r++)
            for (long u = 0; u < size; u += LANES) {
                float *g = gates + r * width + u;
                Lanes fresh = hyperbolic(load(g + 2 * size));
                store(g + 2 * size, fresh);
                store(states + r * size + u,
                      fresh + load(g) * (load(before + r * before_row + u) - fresh));
            }
    }
}

static void dense_forward(Layer *layer, const float *x, const Pass *pass) {
    const long n = pass->steps * pass->rows, size = layer->size;
    through_packed(layer->states, size, layer->bias, 0, x, layer->input_row, layer->kernel, n,
                   layer->inputs, size);
    const int activation = layer->activation;
    for (float *y = layer->states; y < layer->states + n * size; y += LANES) {
        Lanes value = load(y);
        if (activation == RELU)
            value = chosen((Bits)(value < all(0.0f)), all(0.0f), value);
        else if (activation == TANH)
            value = hyperbolic(value);
        else if (activation == SIGMOID)
            value = logistic(value);
        store(y, value);
    }
}

/* Add the gradients of the steps from t on, whose gradients by the gates are known, to those of the
weights; and find those of the inputs where they are wanted. */
static void gradients_of_steps(Layer *layer, const float *x, float *d_x, const Pass *pass, long t,
                               long steps) {
    const long rows = pass->rows, n = steps * rows, width = layer->width, size = layer->size;
    const long d_row = layer->d_row;
    const float *d = layer->d_gates;
    add_outer(layer->d_kernel, width, x + t * rows * layer->input_row, layer->input_row, d, d_row,
              layer->inputs, n, width);
    for (long c = 0; c < width; c += LANES) {
        Lanes sum = load(layer->d_bias + c);
        for (long i = 0; i < n; i++) sum += load(d + i * d_row + c);
        store(layer->d_bias + c, sum);
    }
    if (d_x)
        through_packed(d_x + t * rows * layer->input_row, layer->input_row, pass->zeros, 0, d, d_row,
                       layer->turned_kernel, n, width, ROUNDED(layer->inputs));
    if (layer->kind == DENSE) return;
    const long skipped = t ? 0 : rows; /* the first step follows no state */
    const float *before = layer->states + (t * rows + skipped - rows) * size;
    d += skipped * d_row;
    const long joint = layer->kind == LSTM ? width : 2 * size;
    add_outer(layer->d_recurrent, width, before, size, d, d_row, layer->units, n - skipped, joint);
    if (layer->kind == GRU)
        add_outer(layer->d_recurrent + joint, width, layer->reset + (t * rows + skipped) * size, size,
                  d + joint, d_row, layer->units, n - skipped, size);
}

static void lstm_step_back(const Layer *layer, long at, const float *before, const float *upstream,
                           float *d, float *d_state, float *d_cell) {
    const long size = layer->size;
    const float *gates = layer->gates + at * layer->width;
    for (long u = 0; u < size; u += LANES) {
        Lanes by_state = load(d_state + u);
        if (upstream) by_state += load(upstream + u);
        Lanes put = load(gates + u), keep = load(gates + size + u);
        Lanes fresh = load(gates + 2 * size + u), show = load(gates + 3 * size + u);
        Lanes seen = load(layer->shown + at * size + u);
        Lanes by_cell = load(d_cell + u) + by_state * show * (1.0f - seen * seen);
        store(d + u, by_cell * fresh * (put * (1.0f - put)));
        store(d + size + u, by_cell * load(before + u) * (keep * (1.0f - keep)));
        store(d + 2 * size + u, by_cell * put * (1.0f - fresh * fresh));
        store(d + 3 * size + u, by_state * seen * (show * (1.0f - show)));
        store(d_cell + u, by_cell * keep);
    }
}

static void gru_step_back(Layer *layer, long t, const float *upstream, float *d, const Pass *pass) {
    const long size = layer->size, width = layer->width, d_row = layer->d_row, rows = pass->rows;
    const float *gates = layer->gates + t * rows * width;
    const float *before = t ? layer->states + (t - 1) * rows * size : pass->zeros;
    const long before_row = t ? size : 0;
    for (long r = 0; r < rows; r++)
        for (long u = 0; u < size; u += LANES) {
            const float *g = gates + r * width + u;
            float *by_state = layer->d_state + r * size + u;
            if (upstream) store(by_state, load(by_state) + load(upstream + r * size + u));
            Lanes update = load(g), fresh = load(g + 2 * size), by = load(by_state);
            Lanes old = load(before + r * before_row + u);
            store(d + r * d_row + u, by * (old - fresh) * (update * (1.0f - update)));
            store(d + r * d_row + 2 * size + u, by * (1.0f - update) * (1.0f - fresh * fresh));
        }
    through_packed(layer->d_cell, size, pass->zeros, 0, d + 2 * size, d_row, layer->turned_candidate,
                   rows, size, size);
    for (long r = 0; r < rows; r++)
        for (long u = 0; u < size; u += LANES) {
            const float *g = gates + r * width + u;
            Lanes by_product = load(layer->d_cell + r * size + u), taken = load(g + size);
            Lanes old = load(before + r * before_row + u);
            float *by_state = layer->d_state + r * size + u;
            store(d + r * d_row + size + u, by_product * old * (taken * (1.0f - taken)));
            store(by_state, load(by_state) * load(g) + by_product * taken);
        }
    if (t)
        through_packed(layer->d_state, size, layer->d_state, size, d, d_row, layer->turned_recurrent,
                       rows, 2 * size, size);
}

/* Backward pass of a recurrent layer; upstream has the steps from first on. */
static void recurrent_backward(Layer *layer, const float *x, float *d_x, const float *upstream,
                               long first, const Pass *pass) {
    const long rows = pass->rows, size = layer->size, width = layer->width, d_row = layer->d_row;
    const long most = rows < CHUNK ? CHUNK / rows : 1;
    memset(layer->d_state, 0, rows * size * sizeof(float));
    memset(layer->d_cell, 0, rows * size * sizeof(float));
    for (long end = pass->steps; end > 0;) {
        const long begin = end > most ? end - most : 0;
        for (long t = end - 1; t >= begin; t--) {
            float *d = layer->d_gates + (t - begin) * rows * d_row;
            const float *up = t >= first ? upstream + (t - first) * rows * size : NULL;
            if (layer->kind == GRU) {
                gru_step_back(layer, t, up, d, pass);
                continue;
            }
            for (long r = 0; r < rows; r++)
                lstm_step_back(layer, t * rows + r,
                               t ? layer->cells + ((t - 1) * rows + r) * size : pass->zeros,
                               up ? up + r * size : NULL, d + r * d_row, layer->d_state + r * size,
                               layer->d_cell + r * size);
            if (t)
                through_packed(layer->d_state, size, pass->zeros, 0, d, d_row,
                               layer->turned_recurrent, rows, width, size);
        }
        gradients_of_steps(layer, x, d_x, pass, begin, end - begin);
        end = begin;
    }
}

static void dense_backward(Layer *layer, const float *x, float *d_x, const float *upstream,
                           const Pass *pass) {
    const long n = pass->steps * pass->rows, size = layer->size;
    const int activation = layer->activation;
    for (long i = 0; i < n * size; i += LANES) {
        Lanes y = load(layer->states + i), d = load(upstream + i);
        if (activation == RELU)
            d = (Lanes)((Bits)d & (Bits)(y > all(0.0f)));
        else if (activation == TANH)
            d *= 1.0f - y * y;
        else if (activation == SIGMOID)
            d *= y * (1.0f - y);
        store(layer->d_gates + i, d);
    }
    gradients_of_steps(layer, x, d_x, pass, 0, pass->steps);
}

#endif
