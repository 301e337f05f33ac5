// The AWS SDK for Go v1, with one client for all calls. ../python/caller.py describes the interface.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/ec2"
	"github.com/aws/aws-sdk-go/service/sts"
)

func main() {
	config := aws.Config{Endpoint: aws.String(os.Args[1])}
	shared := session.Must(session.NewSession(&config))
	identity, instances := sts.New(shared), ec2.New(shared)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		call := strings.Fields(lines.Text())
		var result string
		var err error
		if call[0] == "whoami" {
			var answer *sts.GetCallerIdentityOutput
			if answer, err = identity.GetCallerIdentity(&sts.GetCallerIdentityInput{}); err == nil {
				result = *answer.Arn
			}
		} else {
			input := ec2.StopInstancesInput{InstanceIds: []*string{aws.String(call[1])}}
			_, err = instances.StopInstances(&input)
			result = call[1]
		}
		answer := map[string]string{"ok": result}
		if err != nil {
			answer = map[string]string{"error": err.Error()}
		}
		line, _ := json.Marshal(answer)
		fmt.Println(string(line))
	}
}
