import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import type { TlsOptions } from "../../../src/client/transport.ts";
import { isEncryptedKey, type Passphrase, readCredentials } from "../../../src/io/credentials.ts";
import { systemCertificates } from "../../../src/io/system-certificates.ts";
import { hasOpenssl, makeCertificates, PASSPHRASE } from "../../support/certificates.ts";

describe.skipIf(!hasOpenssl)("credentials", () => {
  const made = makeCertificates();
  const { folder, ca } = made;
  const certFile = made.certificate("client");
  const keyFile = made.key("client");
  const encrypted = made.key("encrypted");
  const text = (path: string) => readFileSync(path, "utf8");
  const read = (options: TlsOptions, passphrase: Passphrase = { known: undefined }) =>
    readCredentials(options, passphrase);
  const file = (name: string, content: string) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  afterAll(() => made[Symbol.dispose]());

  it("are those of Node.js unless others are named", async () => {
    expect(await read({})).toEqual({
      ca: undefined,
      cert: undefined,
      key: undefined,
      passphrase: undefined,
    });
  });

  it("come from files, texts and bytes alike", async () => {
    const expected = { ca: [text(ca).trim()], cert: text(certFile), key: text(keyFile) };
    expect(await read({ caFile: ca, certFile, keyFile })).toMatchObject(expected);
    const texts = { ca: text(ca), cert: text(certFile), key: text(keyFile) };
    expect(await read(texts)).toMatchObject(expected);
    const bytes = {
      ca: readFileSync(ca),
      cert: readFileSync(certFile),
      key: readFileSync(keyFile),
    };
    expect(await read(bytes)).toMatchObject(expected);
  });

  it("take each certificate of a file or folder once, and nothing else in it", async () => {
    const both = file("both.pem", `words\n${text(ca)}more${text(certFile)}${text(ca)}`);
    expect((await read({ caFile: both })).ca).toEqual([text(ca).trim(), text(certFile).trim()]);
    const authorities = join(folder, "authorities");
    mkdirSync(authorities);
    copyFileSync(ca, join(authorities, "one.pem"));
    symlinkSync("one.pem", join(authorities, "0a1b2c3d.0"));
    writeFileSync(join(authorities, "damaged.crt"), "nothing");
    copyFileSync(certFile, join(authorities, "notes.txt"));
    expect((await read({ caPath: authorities })).ca).toEqual([text(ca).trim()]);
  });

  it.each(["none-here", "nowhere"])("do not miss a folder beside a file: %s", async (name) => {
    mkdirSync(join(folder, "none-here"), { recursive: true });
    const options = { caFile: ca, caPath: join(folder, name) };
    expect((await read(options)).ca).toEqual([text(ca).trim()]);
  });

  it("are read anew each time", async () => {
    const path = file("changing.pem", text(ca));
    await read({ caFile: path });
    file("changing.pem", text(certFile));
    expect((await read({ caFile: path })).ca).toEqual([text(certFile).trim()]);
  });

  const damaged = () => text(certFile).replace(/\n....../, "\nAAAAAA");
  const badKey = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
  it.each<[string, () => TlsOptions, string, RegExp]>([
    [
      "a CA file that is missing",
      () => ({ caFile: "/nowhere/ca" }),
      "fileUnusable",
      /^cannot read \/nowhere\/ca: no such file or directory$/,
    ],
    [
      "one that is a folder",
      () => ({ caFile: folder }),
      "certificateUnreadable",
      /illegal operation on a directory/,
    ],
    [
      "a CA folder that is missing",
      () => ({ caPath: "/nowhere" }),
      "certificateUnreadable",
      /^cannot read \/nowhere: /,
    ],
    [
      "a CA folder without any",
      () => ({ caPath: join(folder, "issued-none") }),
      "certificateUnreadable",
      /holds no certificates/,
    ],
    [
      "a CA file that is no PEM",
      () => ({ caFile: file("binary", "\0\x01\x02") }),
      "certificateUnreadable",
      /binary holds no certificate in PEM form/,
    ],
    ["an empty CA text", () => ({ ca: "" }), "certificateUnreadable", /^tls.ca holds no/],
    ["a damaged certificate", () => ({ ca: damaged() }), "certificateUnreadable", /damaged/],
    [
      "a certificate that is missing",
      () => ({ certFile: "/nowhere/c", keyFile }),
      "fileUnusable",
      /cannot read \/nowhere\/c/,
    ],
    [
      "a key that is missing",
      () => ({ certFile, keyFile: "/nowhere/k" }),
      "fileUnusable",
      /cannot read \/nowhere\/k/,
    ],
    [
      "a folder for a key",
      () => ({ certFile, keyFile: folder }),
      "keyUnreadable",
      /illegal operation on a directory/,
    ],
    [
      "a certificate for a key",
      () => ({ certFile, keyFile: certFile }),
      "keyUnreadable",
      /holds no private key/,
    ],
    [
      "a key for a certificate",
      () => ({ certFile: keyFile, keyFile }),
      "certificateUnreadable",
      /holds no certificate/,
    ],
    [
      "a damaged key",
      () => ({ certFile, key: badKey }),
      "keyUnreadable",
      /^tls.key holds a private key that is damaged/,
    ],
    [
      "another's key",
      () => ({ certFile, keyFile: made.key("stranger") }),
      "keyMismatch",
      /stranger.key is not the key of .*client.crt/,
    ],
    [
      "no passphrase",
      () => ({ certFile, keyFile: encrypted }),
      "passphraseMissing",
      /encrypted.key is encrypted/,
    ],
    [
      "a wrong one",
      () => ({ certFile, keyFile: encrypted, passphrase: "no" }),
      "passphraseWrong",
      /does not open .*encrypted.key/,
    ],
    [
      "an empty one",
      () => ({ certFile, keyFile: encrypted, passphrase: "" }),
      "passphraseWrong",
      /does not open/,
    ],
    [
      "one that nobody gives",
      () => ({
        certFile,
        keyFile: encrypted,
        passphrase: () => Promise.reject(new Error("no terminal")),
      }),
      "passphraseFailed",
      /^no passphrase: no terminal$/,
    ],
  ])("fail with %s", async (_, options, code, message) => {
    mkdirSync(join(folder, "issued-none"), { recursive: true });
    const failure = read(options());
    await expect(failure).rejects.toMatchObject({ name: "TransportError", code, isFinal: true });
    await expect(failure).rejects.toThrow(message);
  });

  it("ask for a passphrase until it opens the key, and then not again", async () => {
    const answers = ["wrong", PASSPHRASE];
    const passphrase = async () => answers.shift()!;
    const known = { known: undefined };
    const options = { certFile, keyFile: encrypted, passphrase };
    await expect(read(options, known)).rejects.toMatchObject({ code: "passphraseWrong" });
    expect(await read(options, known)).toMatchObject({ passphrase: PASSPHRASE });
    expect(await read(options, known)).toMatchObject({ passphrase: PASSPHRASE });
    expect(answers).toEqual([]);
  });

  it("ask for none where the key is open", async () => {
    const passphrase = () => Promise.reject(new Error("not to be called"));
    await read({ certFile, keyFile, passphrase });
  });

  it("know an encrypted key without opening it, or cannot tell", async () => {
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    expect(await isEncryptedKey(encrypted)).toBe(true);
    for (const other of [keyFile, certFile, "/nowhere", folder, pipe]) {
      expect(await isEncryptedKey(other)).toBe(false);
    }
  });

  it("come to an end of a file that has none", async () => {
    const endless = read({ caFile: "/dev/zero" });
    await expect(endless).rejects.toMatchObject({ code: "certificateUnreadable" });
  });

  it("open a key in OpenSSL's old form", async () => {
    const old = join(folder, "old.key");
    const line = `ec -in ${keyFile} -out ${old} -aes128 -passout pass:old`;
    execFileSync("openssl", line.split(" "), { stdio: "pipe" });
    expect(text(old)).toContain("Proc-Type: 4,ENCRYPTED");
    await read({ certFile, keyFile: old, passphrase: "old" });
    const wrong = read({ certFile, keyFile: old, passphrase: "new" });
    await expect(wrong).rejects.toMatchObject({ code: "passphraseWrong" });
  });

  it("of the system are those that SSL_CERT_FILE and SSL_CERT_DIR name", async () => {
    expect(await systemCertificates({ SSL_CERT_FILE: ca })).toEqual([text(ca).trim()]);
    const from = systemCertificates({ SSL_CERT_DIR: `/nowhere:${folder}` });
    expect(await from).toContain(text(ca).trim());
    const none = systemCertificates({ SSL_CERT_FILE: "/nowhere" });
    await expect(none).rejects.toMatchObject({ code: "certificateUnreadable" });
  });

  it("of the system do not matter where nothing is verified", async () => {
    vi.stubEnv("SSL_CERT_FILE", "/nowhere").stubEnv("SSL_CERT_DIR", "/nowhere");
    expect(await read({ useSystemCa: true, verify: false })).toMatchObject({ ca: [] });
    await expect(read({ useSystemCa: true })).rejects.toThrow(/SSL_CERT_FILE/);
    vi.unstubAllEnvs();
  });
});
