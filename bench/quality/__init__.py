"""Quality of pictures: SSIM, JPEG markers, references."""
