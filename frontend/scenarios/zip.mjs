// A zip file with one deflated entry: enough of the format for a small .docx.
import { crc32, deflateRawSync } from "node:zlib";

export function zip(name, text) {
  const [data, raw] = [deflateRawSync(text), Buffer.from(text)];
  const head = (signature, more) => {
    const part = Buffer.alloc(more ? 46 : 30);
    part.writeUInt32LE(signature, 0);
    const at = more ? 2 : 0; // the table of contents says one version more
    part.writeUInt16LE(20, 4 + at);
    part.writeUInt16LE(8, 8 + at);
    part.writeUInt32LE(crc32(raw), 14 + at);
    part.writeUInt32LE(data.length, 18 + at);
    part.writeUInt32LE(raw.length, 22 + at);
    part.writeUInt16LE(name.length, 26 + at);
    return Buffer.concat([part, Buffer.from(name)]);
  };
  const local = Buffer.concat([head(0x04034b50, false), data]);
  const table = head(0x02014b50, true);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(table.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, table, end]);
}
