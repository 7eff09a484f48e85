/* The training of one network on one core, from its first to its last weights, and the forward pass
of trained ones.

Compiled once for each instruction set; NAME(f) is the name of f for this one. The caller gives all
memory. All numbers are float, all sizes int64_t; matrices are row by row. */

#include "layers.h"
#include "random.h"

#ifndef NAME
#define NAME(f) f##_plain
#endif

enum { MSE, MAE, HUBER };
enum { ADAM, RMSPROP, SGD };
#define MOST_LAYERS 16

typedef struct {
    int64_t layers, inputs, attributes, lookback, targets, batch, loss, optimizer, stops_early;
    int64_t patience, epochs, updates, validations, length, span, first_attribute_row, seed;
    int64_t kinds[MOST_LAYERS], units[MOST_LAYERS], activations[MOST_LAYERS];
    double weight_decay, clip_norm, l2, dropout, noise;
    int64_t forward_only; /* no memory for training */
} Setup;

typedef struct {
    const float *series, *targets, *held_out, *attributes;
    const int32_t *starts, *validation;
    const float *rates;
    float *weights, *losses, *validation_losses; /* written */
    int64_t *epochs;                             /* written: best epoch from 1, epochs run */
} Job;

/* Trained networks. Each of the inputs (row, step, input) is that of ``sharing`` networks. Arrays of
hidden, kernels, biases and states begin with the network. */
typedef struct {
    int64_t networks, sharing;
    const float *inputs, *const *weights; /* kernel, recurrent kernel if any, and bias of each layer */
    float *hidden;                        /* written: (row, step, unit) of the last layer */
    float *const *states; /* read and written: state, and cell if any, of each recurrent layer */
} Trained;

typedef struct {
    const Setup *setup;
    long inputs, steps, n_weights;
    Layer layers[MOST_LAYERS];
    float *x, *y, *outputs, *d_outputs, *zeros, *best, *weights, *gradient, *first, *second;
    float *head, *d_head;
    Random random;
} Network;

typedef struct {
    float *base;
    long used;
} Arena;

static float *take(Arena *arena, long n) {
    float *at = arena->base ? arena->base + arena->used : NULL;
    arena->used += ROUNDED(n);
    return at;
}

static long most(long a, long b) { return a > b ? a : b; }

static void lay_out_layer(Layer *layer, Arena *arena, const Setup *setup, long steps, int top) {
    const long rows = setup->batch, n = steps * rows, size = layer->size, width = layer->width;
    const long inputs = layer->inputs, units = layer->units, recurrent = layer->kind != DENSE;
    const long kept = recurrent * (setup->forward_only ? rows : n);
    layer->padded = take(arena, most(inputs, units) * width);
    layer->bias = take(arena, width);
    layer->kernel = take(arena, packed_size(inputs, width));
    layer->recurrent = take(arena, recurrent * packed_size(units, width));
    layer->candidate = take(arena, recurrent * packed_size(units, size));
    layer->states = take(arena, (n + setup->forward_only * rows) * size);
    layer->states += setup->forward_only * rows * size;
    layer->gates = take(arena, kept * width);
    layer->cells = take(arena, (layer->kind == LSTM) * kept * size);
    layer->shown = take(arena, (layer->kind == LSTM) * kept * size);
    layer->reset = take(arena, (layer->kind == GRU) * kept * size);
    if (setup->forward_only) return;
    layer->turned_kernel = take(arena, packed_size(width, ROUNDED(inputs)));
    layer->d_kernel = take(arena, inputs * width);
    layer->d_recurrent = take(arena, recurrent * units * width);
    layer->d_bias = take(arena, width);
    layer->turned_recurrent = take(arena, recurrent * packed_size(width, size));
    layer->turned_candidate = take(arena, recurrent * packed_size(size, size));
    layer->factors = take(arena, recurrent ? rows * size : n * size);
    const long fed = top ? setup->targets * rows * size : n * size;
    layer->fed = take(arena, fed);
    layer->d_fed = take(arena, fed);
    layer->d_gates = take(arena, recurrent ? most(CHUNK, rows) * layer->d_row : n * width);
    layer->d_state = take(arena, recurrent * rows * size);
    layer->d_cell = take(arena, recurrent * rows * size);
}

/* Lay out all arrays of a network; return the number of floats. */
static long lay_out(Network *network, const Setup *setup, float *memory) {
    Arena arena = {memory, 0};
    const long steps = setup->lookback + setup->targets, n = steps * setup->batch;
    long inputs = setup->inputs + setup->attributes, row = inputs, widest = 0;
    network->setup = setup;
    network->inputs = inputs;
    network->steps = steps;
    network->n_weights = 0;
    for (long i = 0; i < setup->layers; i++) {
        Layer *layer = network->layers + i;
        layer->kind = (int)setup->kinds[i];
        layer->activation = (int)setup->activations[i];
        layer->first_layer = i == 0;
        layer->inputs = inputs;
        layer->input_row = row;
        layer->units = setup->units[i];
        layer->size = ROUNDED(layer->units);
        layer->width = gates_of[layer->kind] * layer->size;
        /* rows of a power of two would share few lines of the cache */
        layer->d_row = layer->width + (layer->kind == DENSE ? 0 : 16);
        network->n_weights += layer_weights(layer);
        widest = most(widest, layer->width);
        lay_out_layer(layer, &arena, setup, steps, i == setup->layers - 1);
        inputs = layer->units;
        row = layer->size;
    }
    network->n_weights += inputs + 1;
    network->x = take(&arena, n * network->inputs + 32);
    if (setup->forward_only) return arena.used;
    network->y = take(&arena, setup->targets * setup->batch);
    network->outputs = take(&arena, setup->targets * setup->batch);
    network->d_outputs = take(&arena, setup->targets * setup->batch);
    network->zeros = take(&arena, most(widest, row));
    network->head = take(&arena, row);
    network->d_head = take(&arena, row);
    float **vectors[] = {&network->best, &network->weights, &network->gradient, &network->first,
                         &network->second};
    for (int i = 0; i < 5; i++) *vectors[i] = take(&arena, network->n_weights);
    return arena.used;
}

static void prepare(Network *network, int backward) {
    const float *weights = network->weights;
    for (long i = 0; i < network->setup->layers; i++) {
        Layer *layer = network->layers + i;
        const long columns = gates_of[layer->kind] * layer->units, n = layer_weights(layer);
        prepare_layer(layer, weights, weights + layer->inputs * columns, weights + n - columns,
                      backward);
        weights += n;
    }
    const Layer *last = network->layers + network->setup->layers - 1;
    memset(network->head, 0, last->size * sizeof(float));
    memcpy(network->head, weights, last->units * sizeof(float));
}

/* Copy the inputs and targets of windows; zeros and NaN where they reach beyond the data. */
static void gather(Network *network, const Job *job, const float *of, const int32_t *starts,
                   long rows) {
    const Setup *setup = network->setup;
    const long inputs = setup->inputs, attributes = setup->attributes;
    for (long r = 0; r < rows; r++) {
        const long start = starts[r], first = start - setup->lookback;
        const float *own = job->attributes + attributes *
            (setup->first_attribute_row + (setup->span && start > 0 ? start / setup->span : 0));
        for (long t = 0; t < network->steps; t++) {
            float *x = network->x + (t * rows + r) * network->inputs;
            if (first + t >= 0 && first + t < setup->length)
                memcpy(x, job->series + (first + t) * inputs, inputs * sizeof(float));
            else
                memset(x, 0, inputs * sizeof(float));
            if (attributes) memcpy(x + inputs, own, attributes * sizeof(float));
        }
        for (long t = 0; t < setup->targets; t++)
            network->y[t * rows + r] =
                start + t >= 0 && start + t < setup->length ? of[start + t] : NAN;
    }
}

/* Copy states times dropout for the next layer. */
static void feed(Layer *layer, const Pass *pass, long first) {
    const long size = layer->size, rows = pass->rows, n = pass->steps * rows;
    for (long i = first * rows; i < n; i++) {
        const float *factors = layer->factors + (layer->kind == DENSE ? i : i % rows) * size;
        float *fed = layer->fed + (i - first * rows) * size;
        for (long u = 0; u < size; u += LANES)
            store(fed + u, load(layer->states + i * size + u) * load(factors + u));
    }
}

static void forward_layer(Layer *layer, const float *x, const Pass *pass) {
    (layer->kind == LSTM ? lstm_forward : layer->kind == GRU ? gru_forward : dense_forward)(
        layer, x, pass);
}

static void forward(Network *network, const Pass *pass, int training) {
    const Setup *setup = network->setup;
    const float *x = network->x;
    const int drops = training && setup->dropout > 0;
    for (long i = 0; i < setup->layers; i++) {
        Layer *layer = network->layers + i;
        forward_layer(layer, x, pass);
        const int top = i == setup->layers - 1;
        if (drops) feed(layer, pass, top ? pass->first : 0);
        x = drops ? layer->fed : layer->states + (top ? pass->first * pass->rows * layer->size : 0);
    }
    const Layer *last = network->layers + setup->layers - 1;
    const float bias = network->weights[network->n_weights - 1];
    for (long i = 0; i < setup->targets * pass->rows; i++)
        network->outputs[i] = dot(x + i * last->size, network->head, last->size) + bias;
}

/* Add the losses of the observed targets; set the gradients by the outputs, times their number. */
static double sum_losses(Network *network, long n, long *count) {
    double sum = 0;
    for (long i = 0; i < n; i++) {
        const float y = network->y[i], error = network->outputs[i] - y;
        float *d = network->d_outputs + i;
        *d = 0;
        if (!isfinite(y)) continue;
        ++*count;
        const float size = fabsf(error), sign = error > 0 ? 1.0f : error < 0 ? -1.0f : error;
        if (network->setup->loss == MAE)
            sum += size, *d = sign;
        else if (network->setup->loss == HUBER)
            sum += size < 1 ? 0.5f * error * error : size - 0.5f, *d = size < 1 ? error : sign;
        else
            sum += error * error, *d = 2 * error;
    }
    return sum;
}

static void backward_head(Network *network, Layer *last, const Pass *pass, int drops, float scale) {
    const long size = last->size, rows = pass->rows, n = network->setup->targets * rows;
    const float *fed = drops ? last->fed : last->states + pass->first * rows * size;
    float *d_head = network->d_head, by_bias = 0;
    memset(d_head, 0, size * sizeof(float));
    for (long i = 0; i < n; i++) {
        const float d = network->d_outputs[i] * scale;
        by_bias += d;
        for (long u = 0; u < size; u += LANES) {
            store(d_head + u, load(d_head + u) + d * load(fed + i * size + u));
            store(last->d_fed + i * size + u, d * load(network->head + u));
        }
    }
    float *gradient = network->gradient + network->n_weights - 1 - last->units;
    memcpy(gradient, d_head, last->units * sizeof(float));
    gradient[last->units] = by_bias;
}

static void drop_gradients(Layer *layer, const Pass *pass, long first) {
    const long size = layer->size, rows = pass->rows, n = (pass->steps - first) * rows;
    for (long i = 0; i < n; i++) {
        const float *factors = layer->factors + (layer->kind == DENSE ? i : i % rows) * size;
        float *d = layer->d_fed + i * size;
        for (long u = 0; u < size; u += LANES) store(d + u, load(d + u) * load(factors + u));
    }
}

static float *unpad_rows(float *to, const float *from, long n, const Layer *layer) {
    const long gates = gates_of[layer->kind];
    for (long k = 0; k < n; k++)
        for (long g = 0; g < gates; g++, to += layer->units)
            memcpy(to, from + k * layer->width + g * layer->size, layer->units * sizeof(float));
    return to;
}

static void backward(Network *network, const Pass *pass, long count) {
    const Setup *setup = network->setup;
    const int drops = setup->dropout > 0;
    Layer *layers = network->layers, *last = layers + setup->layers - 1;
    backward_head(network, last, pass, drops, 1.0f / most(count, 1));
    float *gradient = network->gradient + network->n_weights - 1 - last->units;
    for (Layer *layer = last; layer >= layers; layer--) {
        Layer *below = layer > layers ? layer - 1 : NULL;
        const long first = layer == last ? pass->first : 0;
        const float *x = !below ? network->x : drops ? below->fed : below->states;
        float *d_x = below ? below->d_fed : NULL;
        if (drops) drop_gradients(layer, pass, first);
        memset(layer->d_kernel, 0, layer->inputs * layer->width * sizeof(float));
        memset(layer->d_bias, 0, layer->width * sizeof(float));
        gradient -= layer_weights(layer);
        if (layer->kind == DENSE) {
            dense_backward(layer, x, d_x, layer->d_fed, pass);
        } else {
            memset(layer->d_recurrent, 0, layer->units * layer->width * sizeof(float));
            recurrent_backward(layer, x, d_x, layer->d_fed, first, pass);
        }
        float *to = unpad_rows(gradient, layer->d_kernel, layer->inputs, layer);
        if (layer->kind != DENSE) to = unpad_rows(to, layer->d_recurrent, layer->units, layer);
        unpad_rows(to, layer->d_bias, 1, layer);
    }
}

/* Number of the weights in matrices, which decay, and of the biases after them, layer by layer. */
static void parts_of(const Network *network, long i, long *matrices, long *biases) {
    const long layers = network->setup->layers;
    const Layer *layer = network->layers + (i < layers ? i : layers - 1);
    *biases = i < layers ? gates_of[layer->kind] * layer->units : 1;
    *matrices = i < layers ? layer_weights(layer) - *biases : layer->units;
}

static void decay_weights(Network *network, float rate) {
    float *w = network->weights;
    const float share = (float)network->setup->weight_decay * rate;
    for (long i = 0; i <= network->setup->layers; i++) {
        long matrices, biases;
        parts_of(network, i, &matrices, &biases);
        for (long k = 0; k < matrices; k++) w[k] -= share * w[k];
        w += matrices + biases;
    }
}

static void penalise(Network *network) {
    float *w = network->weights, *d = network->gradient;
    const float twice = 2 * (float)network->setup->l2;
    for (long i = 0; i <= network->setup->layers; i++) {
        long matrices, biases;
        parts_of(network, i, &matrices, &biases);
        for (long k = 0; k < matrices; k++) d[k] += twice * w[k];
        w += matrices + biases;
        d += matrices + biases;
    }
}

static void clip(Network *network) {
    float *d = network->gradient;
    const float norm = sqrtf(dot(d, d, ROUNDED(network->n_weights))); /* zeros after the last */
    const float limit = (float)network->setup->clip_norm;
    if (norm > limit)
        for (long i = 0; i < network->n_weights; i++) d[i] *= limit / norm;
}

static void step(Network *network, float rate, long number) {
    float *restrict w = network->weights, *restrict d = network->gradient;
    float *restrict first = network->first, *restrict second = network->second;
    const long n = network->n_weights;
    if (network->setup->optimizer == ADAM) {
        const float scale =
            rate * (float)(sqrt(1 - pow(0.999, number)) / (1 - pow(0.9, number)));
        for (long i = 0; i < n; i++) {
            first[i] += 0.1f * (d[i] - first[i]);
            second[i] += 0.001f * (d[i] * d[i] - second[i]);
            w[i] -= scale * first[i] / (sqrtf(second[i]) + 1e-7f);
        }
    } else if (network->setup->optimizer == RMSPROP) {
        for (long i = 0; i < n; i++) {
            second[i] = 0.9f * second[i] + 0.1f * d[i] * d[i];
            w[i] -= rate * d[i] / (sqrtf(second[i]) + 1e-7f);
        }
    } else {
        for (long i = 0; i < n; i++) {
            first[i] = 0.9f * first[i] - rate * d[i];
            w[i] += 0.9f * first[i] - rate * d[i];
        }
    }
}

static void draw_all(Network *network, const Pass *pass) {
    const Setup *setup = network->setup;
    const long n = pass->steps * pass->rows;
    if (setup->noise > 0)
        add_normal(&network->random, network->x, (n * network->inputs + 31) / 32 * 32,
                   (float)setup->noise);
    if (setup->dropout > 0)
        for (long i = 0; i < setup->layers; i++) {
            Layer *layer = network->layers + i;
            draw_dropout(&network->random, layer->factors,
                         (layer->kind == DENSE ? n : pass->rows) * layer->size,
                         (float)setup->dropout);
        }
}

/* Loss of a batch, and its gradient in network->gradient. */
static double lose(Network *network, const Job *job, const int32_t *starts) {
    const Setup *setup = network->setup;
    const Pass pass = {network->steps, setup->batch, setup->lookback, network->zeros, 1};
    long count = 0;
    gather(network, job, job->targets, starts, pass.rows);
    draw_all(network, &pass);
    prepare(network, 1);
    forward(network, &pass, 1);
    const double sum = sum_losses(network, setup->targets * pass.rows, &count);
    backward(network, &pass, count);
    if (setup->l2 > 0) penalise(network);
    return sum / most(count, 1);
}

static double validate(Network *network, const Job *job) {
    const Setup *setup = network->setup;
    double sum = 0;
    long count = 0;
    prepare(network, 0);
    for (long at = 0; at < setup->validations; at += setup->batch) {
        const long left = setup->validations - at, rows = left < setup->batch ? left : setup->batch;
        const Pass pass = {network->steps, rows, setup->lookback, network->zeros, 1};
        gather(network, job, job->held_out, job->validation + at, rows);
        forward(network, &pass, 0);
        sum += sum_losses(network, setup->targets * rows, &count);
    }
    return sum / most(count, 1);
}

static void start(Network *network, const Setup *setup, const Job *job, float *memory) {
    const long n = lay_out(network, setup, memory);
    memset(memory, 0, n * sizeof(float));
    memcpy(network->weights, job->weights, network->n_weights * sizeof(float));
    memcpy(network->best, job->weights, network->n_weights * sizeof(float));
    seed_random(&network->random, (uint64_t)setup->seed);
}

int64_t NAME(memory)(const Setup *setup) {
    Network network;
    return lay_out(&network, setup, NULL);
}

/* Replace the weights of a job by the trained ones. */
void NAME(train)(const Setup *setup, const Job *job, float *memory) {
    Network network;
    const uint64_t state = ignore_tiny();
    start(&network, setup, job, memory);
    float best = INFINITY;
    long best_epoch = 0, epoch = 0;
    for (; epoch < setup->epochs && epoch - best_epoch <= setup->patience; epoch++) {
        double sum = 0;
        for (long i = 0; i < setup->updates; i++) {
            const long number = epoch * setup->updates + i;
            const float rate = job->rates[number];
            sum += lose(&network, job, job->starts + number * setup->batch);
            clip(&network);
            decay_weights(&network, rate);
            step(&network, rate, number + 1);
        }
        const float value = setup->validations ? (float)validate(&network, job) : -(float)epoch;
        job->losses[epoch] = (float)(sum / setup->updates);
        job->validation_losses[epoch] = value;
        if (!setup->stops_early || value < best) {
            best = value;
            best_epoch = epoch;
            memcpy(network.best, network.weights, network.n_weights * sizeof(float));
        }
    }
    memcpy(job->weights, network.best, network.n_weights * sizeof(float));
    job->epochs[0] = best_epoch + 1;
    job->epochs[1] = epoch;
    restore_tiny(state);
}

/* Replace the weights of a job by the gradient of the loss of its first batch. */
void NAME(gradient)(const Setup *setup, const Job *job, float *memory) {
    Network network;
    const uint64_t state = ignore_tiny();
    start(&network, setup, job, memory);
    job->losses[0] = (float)lose(&network, job, job->starts);
    memcpy(job->weights, network.gradient, network.n_weights * sizeof(float));
    restore_tiny(state);
}

static void copy_rows(float *to, long to_row, const float *from, long from_row, long rows, long n) {
    for (long r = 0; r < rows; r++) memcpy(to + r * to_row, from + r * from_row, n * sizeof(float));
}

/* Find the hidden values of trained networks at all steps, and their states after the last one. */
void NAME(hidden)(const Setup *setup, const Trained *trained, float *memory) {
    Network network;
    const uint64_t state = ignore_tiny();
    memset(memory, 0, lay_out(&network, setup, memory) * sizeof(float));
    const long rows = setup->batch, steps = network.steps, inputs = network.inputs;
    const Pass pass = {steps, rows, 0, NULL, 0};
    const Layer *last = network.layers + setup->layers - 1;
    for (long k = 0; k < trained->networks; k++) {
        const float *x = network.x, *const *weights = trained->weights;
        float *const *states = trained->states;
        if (k % trained->sharing == 0)
            for (long r = 0; r < rows; r++) /* (row, step) to (step, row) */
                copy_rows(network.x + r * inputs, rows * inputs,
                          trained->inputs + (k / trained->sharing * rows + r) * steps * inputs,
                          inputs, steps, inputs);
        for (Layer *layer = network.layers; layer <= last; layer++) {
            const long units = layer->units, size = layer->size, at = k * rows * units;
            const long columns = gates_of[layer->kind] * units, recurrent = layer->kind != DENSE;
            prepare_layer(layer, weights[0] + k * layer->inputs * columns,
                          weights[1] + k * units * columns * recurrent,
                          weights[1 + recurrent] + k * columns, 0);
            float *ends[] = {layer->states - rows * size, layer->cells};
            const int parts = layer->kind == LSTM ? 2 : recurrent;
            for (int p = 0; p < parts; p++)
                copy_rows(ends[p], size, states[p] + at, units, rows, units);
            forward_layer(layer, x, &pass);
            ends[0] = layer->states + (steps - 1) * rows * size;
            for (int p = 0; p < parts; p++)
                copy_rows(states[p] + at, units, ends[p], size, rows, units);
            x = layer->states;
            weights += 2 + recurrent;
            states += parts;
        }
        for (long r = 0; r < rows; r++)
            copy_rows(trained->hidden + (k * rows + r) * steps * last->units, last->units,
                      x + r * last->size, rows * last->size, steps, last->units);
    }
    restore_tiny(state);
}
