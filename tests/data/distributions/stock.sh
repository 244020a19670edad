# As the image ships it, after its first boot.
