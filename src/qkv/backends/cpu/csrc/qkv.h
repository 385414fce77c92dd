// The interface of the native engine: plain C structures, filled by Python (program.py), and the functions over them.
// Shapes: T rows (tokens), D model width, H heads, K key/value heads, C head width, N x K the size of a matrix.
#pragma once
#include <cstdint>

enum MatrixKind : int32_t { MATRIX_F32, MATRIX_F16, MATRIX_INT8, MATRIX_INT4 };

// Weights of a linear layer. f32 and f16: row-major (N,K). int8, int4: panels of 16 rows, as backends/quantized.py has them.
struct Matrix {
  int32_t kind, n, k, reserved;
  const void* weight;
  const float* scale;  // (N up to a multiple of 16), int8 only
  const float* bias;   // (N), or null
};

enum Activation : int32_t {
  ACT_NONE, ACT_GELU, ACT_GELU_TANH, ACT_SILU, ACT_RELU, ACT_QUICK_GELU, ACT_RELU2, ACT_TANH, ACT_SIGMOID
};

enum NormKind : int32_t { NORM_RMS, NORM_LAYER, NORM_NONE };  // none: src, times weight if there is one, is only added to dst

enum OpKind : int32_t { OP_NORM, OP_QUANTISE, OP_LINEAR, OP_ROTATE, OP_STORE, OP_ATTEND, OP_GATE, OP_EMBED };

// One operation on numbered buffers of T rows; buffer 0 is the residual stream, which the caller gives and gets, the
// last one what the caller gets beside it.
struct Op {
  int32_t kind;
  int32_t src, src_column, dst, dst_column;  // buffers, and the columns where the operands begin in them
  int32_t width, count;                      // of what is treated as one vector; how many of these stand in a row
                                             // QUANTISE: count is the column of what src is multiplied by, 0 for none
  int32_t act;                               // LINEAR, GATE, QUANTISE
  int32_t accumulate;                        // LINEAR, NORM: add to dst
  int32_t sync;                              // wait for all threads afterwards
  int32_t own;                               // LINEAR alone reads dst: of few rows each thread has one for itself
  int32_t layer;                             // ROTATE, STORE, ATTEND: which angles, cache, and spans
  int32_t heads, kv_heads;                   // ATTEND, STORE
  int32_t norm;                              // NORM: which
  float epsilon;                             // NORM
  float scale, softcap;                      // ATTEND; softcap 0: none. EMBED: scale, of the rows of the table
  const float *weight, *bias;                // NORM; EMBED: weight is the table of positions (count,width), or null
  Matrix matrix;                             // LINEAR; EMBED: the table of tokens
};

// The keys and values that a layer keeps for each text of a batch: (B,K,S,C), the last dimension dense.
struct Cache {
  float *keys, *values;
  int64_t batch_stride, head_stride, key_stride;
  int64_t past;  // keys before those of this call
};

// Which keys a row sees: first...last-1, none if last <= first. Keys are numbered from the first one in its cache, or,
// without a cache, from the first row of its text.
struct Spans {
  const int32_t *first, *last;  // (T)
};

struct Angles {
  const float *cos, *sin;  // (T,width), or a row for each position
  int64_t width;
};

struct Call {
  int64_t rows;
  float* x;               // (T,D), in and out
  float* out;             // (T, width of the last buffer); null if that is not wanted
  const int64_t* tokens;  // EMBED (T)
  const int32_t* positions;  // EMBED, ROTATE (T): rows of their tables; null if ROTATE takes the row's number
  const int32_t* starts;  // (texts+1): the first row of each text, and T
  const Cache* caches;    // of each layer; null if there is none
  const Angles* angles;   // of each layer, or of all; null if nothing turns
  const Spans* spans;     // of each layer, or of all
  int32_t texts, threads;
  int32_t many_angles, many_spans;  // whether there are as many as layers
};

struct Program {
  const Op* ops;
  const int32_t* widths;  // of buffers 0...
  int32_t op_count, buffer_count;
};

// A weight (rows,width) with what AdamW keeps of it, and the numbers of this step.
struct Parameter {
  float* weight;
  const float* grad;
  float *mean, *square;
  uint8_t* live;  // (rows): whether a row has, or had, a gradient
  int64_t rows, width;
  float mean_part;            // 1 - beta1
  float beta2, square_part;   // and 1 - beta2
  float epsilon;
  float keep;                 // 1 - rate * weight decay
  float rate;                 // divided by 1 - beta1^step
  float correction;           // the root of 1 - beta2^step
};
