# security_list VERSION: what the package manager knows of the security archive: openssh-server of that version.
security_list() {
  . ./etc/os-release
  case $ID$VERSION_ID in
    debian*) list="deb.debian.org_debian-security_dists_$VERSION_CODENAME-security_main_binary-amd64_Packages" ;;
    ubuntu*) list="security.ubuntu.com_ubuntu_dists_$VERSION_CODENAME-security_main_binary-amd64_Packages" ;;
    sles*) cache=var/cache/zypp/raw/updates/repodata ;;
    fedora* | amzn2027) cache=var/cache/libdnf5/updates-1/repodata ;;
    amzn2) cache=var/cache/yum/x86_64/2/amzn2-core/gen ;;
    *) cache=var/cache/dnf/main-1/repodata ;;
  esac
  case $ID in
    debian | ubuntu)
      mkdir -p var/lib/apt/lists/partial
      printf 'Package: openssh-server\nArchitecture: amd64\nVersion: %s\n\n' "$1" | put "var/lib/apt/lists/$list"
      ;;
    *)
      local epoch=0 rest=$1
      case $rest in *:*) epoch=${rest%%:*} rest=${rest#*:} ;; esac
      put "$cache/updateinfo.xml" <<F
<?xml version="1.0"?>
<updates><update type="security"><id>A-1</id><severity>important</severity><pkglist><collection><package name="openssh-server" arch="x86_64" epoch="$epoch" version="${rest%%-*}" release="${rest#*-}"/></collection></pkglist></update></updates>
F
      echo '<repomd/>' | put "$cache/repomd.xml"
      ;;
  esac
}
# installed_version NAME
installed_version() { while read -r name version; do [ "$name" != "$1" ] || echo "$version"; done < ../packages; }
