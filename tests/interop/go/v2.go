// The AWS SDK for Go v2, with one client for all calls. ../python/caller.py describes the interface.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func main() {
	settings, err := config.LoadDefaultConfig(context.Background())
	var identity *sts.Client
	if err == nil {
		identity = sts.NewFromConfig(settings, sts.WithEndpointResolver(sts.EndpointResolverFromURL(os.Args[1])))
	}
	// The only call of this client is `whoami`.
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		answer := map[string]string{}
		if err != nil {
			answer["error"] = err.Error()
		} else if caller, failure := identity.GetCallerIdentity(context.Background(), nil); failure != nil {
			answer["error"] = failure.Error()
		} else {
			answer["ok"] = *caller.Arn
		}
		line, _ := json.Marshal(answer)
		fmt.Println(string(line))
	}
}
