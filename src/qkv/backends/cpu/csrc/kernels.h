// The table of kernels that each kind of processor has: what a thread does of an operation.
#pragma once
#include "qkv.h"

// Columns of activations that share a scale: for weights of four bits, and in decoders, FINE_GROUP; in encoders, whose work is
// products of many rows, with weights of eight bits WIDE_GROUP, which takes a tenth less time.
constexpr int FINE_GROUP = 32, WIDE_GROUP = 64;

// Rows of x in few bits: codes (T,Kp), and for each group of columns a scale, the scale times the sum of the codes, and
// what a sum of products with int8 weights begins with.
struct Quantised {
  int8_t* codes;
  float *scales, *sums;  // (T, Kp/group)
  int32_t* begins;
  int64_t width;         // Kp
  int32_t group;         // columns that share a scale
};

struct Kernels {
  const char* name;
  // Columns n0...n1-1 of y = x W^T + bias for all rows; n0 a multiple of 16.
  void (*linear)(const Matrix*, const float* x, int64_t ldx, const Quantised*, float* y, int64_t ldy, int64_t rows,
                 int n0, int n1, int act, int accumulate);
  // Columns n0...n1-1 of y (rows,n) = x (rows,k) w (k,n).
  void (*product)(const float* x, const float* w, float* y, int64_t rows, int k, int n, int n0, int n1);
  // Of the activation of x, times `up` where that is not null.
  void (*quantise)(const float* x, const float* up, int k, int act, const Quantised*, int64_t row);
  void (*norm)(const float* x, float* y, int width, const float* weight, const float* bias, float epsilon, int kind, int add);
  void (*rotate)(float* x, int heads, int head_dim, const float* cos, const float* sin, int width);
  void (*gate)(const float* gate, const float* up, float* y, int width, int act);
  // Queries i0...i1-1 of a text and a key/value head; query i is row i / group, head i % group of the head's group.
  void (*attend)(const Op*, const Spans*, const float* queries, int64_t row_stride, const float* keys,
                 const float* values, int64_t key_stride, int i0, int i1, float* out, int64_t out_stride, float* scratch);
  double (*squares)(const Parameter*, int64_t first, int64_t last);
  void (*adamw)(const Parameter*, int64_t first, int64_t last, float factor);
  // Of numbers first...last-1 of x and y; first is a multiple of DROPPED.
  void (*dropout)(const float* x, float* y, int64_t first, int64_t last, uint64_t key, uint32_t limit, float scale);
};

constexpr int DROPPED = 1 << 14;  // numbers that dropout treats at once
constexpr int QUERY_BLOCK = 72;  // queries that a task of attention treats at most
