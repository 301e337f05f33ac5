# Runs cargo offline in the root directory, in a mount namespace that ends with it. The project is mounted read-only.
# Arguments: the root directory, the project, cargo's target folder, cargo's home, the target, cargo's command.
root=$1 project=$2 output=$3 cargo_home=$4 target=$5 command=$6
shift 6
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$project" "$root/w/project"
mount -o remount,bind,ro "$root/w/project"
mount --bind "$output" "$root/w/target"
mount --bind "$cargo_home" "$root/w/cargo-home"
name=$(echo "$target" | tr - _)
exec chroot "$root" /usr/bin/env -i --chdir=/w/project PATH=/usr/bin HOME=/root TERM="${TERM:-dumb}" \
    CARGO_HOME=/w/cargo-home CARGO_TARGET_DIR=/w/target CARGO_NET_OFFLINE=true CARGO_INCREMENTAL=0 \
    RUSTC_BOOTSTRAP=1 SDKROOT=/w "CC_$name=/w/cc" "AR_$name=/usr/bin/ar" \
    cargo "$command" --locked -Zbuild-std=std,panic_abort --target "$target" "$@"
