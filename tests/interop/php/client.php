<?php
// AsyncAws, an AWS client for PHP, with one client for all calls, of which `whoami` is the only one.
// ../python/caller.py describes the interface.
require 'AsyncAws/Core/autoload.php';

$sts = new AsyncAws\Core\Sts\StsClient(['endpoint' => $argv[1]]);
while (fgets(STDIN) !== false) {
    try {
        $answer = ['ok' => $sts->getCallerIdentity()->getArn()];
    } catch (Throwable $error) {
        $answer = ['error' => get_class($error) . ': ' . $error->getMessage()];
    }
    echo json_encode($answer), "\n";
}
