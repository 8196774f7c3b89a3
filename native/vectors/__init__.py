"""SIMD operations for kernels: LLVM intrinsics, and plain numpy twins for runs without compilation."""
