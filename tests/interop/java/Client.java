// The AWS SDK for Java v2, with one client for all calls, of which `whoami` is the only one. The SDK is inside the jar of
// another package, under another name. ../python/caller.py describes the interface.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;

import smfs.shaded.software.amazon.awssdk.core.util.VersionInfo;
import smfs.shaded.software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import smfs.shaded.software.amazon.awssdk.services.sts.StsClient;

public class Client {
    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("--version")) {
            System.out.println(VersionInfo.SDK_VERSION);
            return;
        }
        StsClient sts = StsClient.builder()
            .endpointOverride(URI.create(arguments[0]))
            .httpClient(UrlConnectionHttpClient.create())
            .build();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        while (lines.readLine() != null) {
            String answer;
            try {
                answer = json("ok", sts.getCallerIdentity().arn());
            } catch (RuntimeException error) {
                answer = json("error", error.toString());
            }
            System.out.println(answer);
        }
    }

    private static String json(String name, String text) {
        String escaped = text.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("[\\x00-\\x1f]", " ");
        return "{\"" + name + "\": \"" + escaped + "\"}";
    }
}
