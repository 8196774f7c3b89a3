"""Image quality: SSIM, JPEG markers, references."""
