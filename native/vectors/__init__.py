"""SIMD operations for kernels: LLVM intrinsics, and plain twins for runs without compilation."""
