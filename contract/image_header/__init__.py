"""Headers of photos, read in the same way by both programs: structure only, without a decoder and without pixels."""
