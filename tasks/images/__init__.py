"""Sources of images, one a file; each file holds an `IMAGES`."""
