export declare const chromiumOptions: { readonly executablePath: string; readonly args: string[] }
export declare function signInWith(
  url: string,
  account: { readonly login: string; readonly password: string },
): Promise<string>
