export function buildGo(
  name: string,
  directory: string,
  target: string,
  options: { readonly atLeastMinor: number; readonly isHeavy?: boolean },
): Promise<string>
