# Packer: an AMI of Debian 12 with the agent sealed in it.
#   packer init debian.pkr.hcl
#   packer build -var package=host-integrity-agent_0.1.0-1_amd64.deb -var signers=signers -var key=baker.pub debian.pkr.hcl
# `key` is a public key; its other half is in the ssh-agent of whoever builds, and never comes near the image.
packer {
  required_plugins {
    amazon = {
      version = ">= 1.3"
      source  = "github.com/hashicorp/amazon"
    }
  }
}

variable "package" { type = string }
variable "signers" { type = string }
variable "key" { type = string }
variable "region" {
  type    = string
  default = "eu-central-1"
}

source "amazon-ebs" "debian" {
  region        = var.region
  instance_type = "t3.small"
  ami_name      = "debian-12-sealed-{{timestamp}}"
  ssh_username  = "admin"
  # Lends the builder's ssh-agent to the instance that is baked, for as long as it is baked.
  ssh_disable_agent_forwarding = false
  # Nothing may be written after bake, and bake takes the keys out itself.
  ssh_clear_authorized_keys = false

  source_ami_filter {
    filters     = { name = "debian-12-amd64-*", virtualization-type = "hvm" }
    owners      = ["136693071363"]
    most_recent = true
  }
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  imds_support = "v2.0"
}

build {
  sources = ["source.amazon-ebs.debian"]

  # Whatever else the image needs comes before this.
  provisioner "file" {
    sources     = [var.package, var.signers, var.key]
    destination = "/tmp/"
  }

  # The last provisioner: what is written after it is a deviation on every instance.
  provisioner "shell" {
    inline = [
      "sudo install -d -m 0700 /run/bake",
      "sudo cp /tmp/${basename(var.package)} /tmp/${basename(var.signers)} /tmp/${basename(var.key)} /run/bake/",
      "sudo dpkg -i /run/bake/${basename(var.package)}",
      "sudo SSH_AUTH_SOCK=$SSH_AUTH_SOCK /usr/share/host-integrity-agent/bake / --signers /run/bake/${basename(var.signers)} --sign-key /run/bake/${basename(var.key)}",
    ]
  }

  # The manifest goes to the catalogue of images: what an instance reports is compared with it.
  provisioner "file" {
    direction   = "download"
    source      = "/usr/share/host-integrity-agent/manifest.mtree"
    destination = "manifest.mtree"
  }
}
